import type { z } from 'zod';
import type { Applied } from '../../core/automation.ts';
import type { MaintenanceReport } from '../../core/database/report.ts';
import type { CheckStatement } from '../../core/run.ts';
import type { Facts } from './analyze.ts';
import type { Receipt } from './execute.ts';
import type { PlannedChange } from './plan.ts';

export function reportOf({
  facts: { at, node, sources },
  applied,
  checks,
}: {
  readonly facts: Facts;
  readonly applied: readonly Applied<PlannedChange, Receipt>[];
  readonly checks: readonly CheckStatement[];
}): z.input<typeof MaintenanceReport> {
  const tasks = applied.flatMap(({ change, receipt }) => (change.what === 'task' ? [{ change, receipt }] : []));
  const rehearsals = applied.flatMap(({ change, receipt }) =>
    change.what === 'rehearsal' && receipt.what === 'rehearsal' ? [{ change, receipt }] : [],
  );
  const left = (what: 'postponed' | 'failed') =>
    tasks.flatMap(({ change: { source, kind, database, object }, receipt }) =>
      receipt.what === what ? [{ source, kind, database, object, why: receipt.why }] : [],
    );
  return {
    at: new Date(at),
    node,
    ok: checks.every(({ ok }) => ok),
    sources: sources.map(({ name, kind, look, problem }) => {
      const rehearsal = rehearsals.find(({ change }) => change.source === name);
      return {
        name,
        kind,
        ...(look && {
          version: look.version,
          bytes: look.databases.reduce((sum, { bytes }) => sum + bytes, 0),
          ...(look.connections && { connections: look.connections }),
          ...(look.cacheHitRatio !== undefined && { cacheHitRatio: look.cacheHitRatio }),
        }),
        ...(problem && { error: problem.message }),
        blind: [
          ...(look?.blind ?? []).map(({ what, hint }) => `${what}. ${hint}`),
          ...(rehearsal?.receipt.error == null ? [] : [`the rehearsal: ${rehearsal.receipt.error}`]),
        ],
        ...(rehearsal && { rehearsedOn: rehearsal.change.proven.copy }),
      };
    }),
    done: tasks.flatMap(({ change, receipt }) => {
      if (receipt.what !== 'done') return [];
      const { source, kind, database, object, reason, expectedBytes } = change;
      const { durationMs, beforeBytes, afterBytes, how } = receipt.done;
      return [{ source, kind, database, object, reason, expectedBytes, durationMs, beforeBytes, afterBytes, how }];
    }),
    postponed: left('postponed'),
    failed: left('failed'),
    skipped: sources.flatMap(({ name, skipped }) => skipped.map((one) => ({ source: name, ...one }))).slice(0, 200),
    skippedInAll: sources.reduce((sum, { skippedInAll }) => sum + skippedInAll, 0),
    rehearsed: rehearsals.flatMap(({ change: { source }, receipt }) =>
      receipt.tasks.map(({ kind, database, object, done, error }) => ({
        source,
        kind,
        database,
        object,
        durationMs: done?.durationMs,
        locks: (done?.locks ?? []).map(({ table, mode }) => `${table}: ${mode}`),
        error,
      })),
    ),
    slow: sources.flatMap(({ name, look }) => (look?.slow ?? []).map((query) => ({ source: name, ...query }))),
    advice: rehearsals.flatMap(({ change: { source }, receipt }) => receipt.advice.map((one) => ({ source, ...one }))),
  };
}
