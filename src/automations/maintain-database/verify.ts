import type { z } from 'zod';
import type { Applied, Context } from '../../core/automation.ts';
import type { DatabaseLook } from '../../core/database/look.ts';
import type { MaintenanceReport } from '../../core/database/report.ts';
import { StewardError } from '../../core/errors.ts';
import type { CheckStatement } from '../../core/run.ts';
import type { Facts, SourceTask } from '../../core/database/maintenance.ts';
import { comparePlans, mayReplan, plansIn } from '../../core/database/compare-plans.ts';
import type { Receipt } from './execute.ts';
import { type PlannedChange, titleOf } from './plan.ts';
import type { Input } from './schema.ts';

/** Looks at each database again: what was done has to be seen there. */
export async function verify(
  context: Context<Input, 'backups' | 'copies' | 'fitness'>,
  { facts, applied }: { readonly facts: Facts; readonly applied: readonly Applied<PlannedChange, Receipt>[] },
): Promise<CheckStatement[]> {
  const { ports, signal } = context;
  const { slowMs } = ports.fitness.settings();
  const unread = facts.sources.flatMap(({ name, problem }) =>
    problem ? [{ name: `${name} can be looked at`, ok: false, evidence: { ...problem } }] : [],
  );
  const tasks = applied.flatMap(({ change, receipt }) => (change.what === 'task' ? [{ change, receipt }] : []));
  const looks = new Map<string, DatabaseLook | string>();
  for (const { source } of tasks.map(({ change }) => change)) {
    if (looks.has(source)) continue;
    try {
      looks.set(source, await ports.fitness.look(source, { slowMs }, { signal }));
    } catch (thrown) {
      if (signal.aborted) throw thrown;
      looks.set(source, StewardError.from(thrown).message);
    }
  }
  const replanned = new Set(
    tasks.flatMap(({ change, receipt }) => (receipt.what === 'done' && mayReplan(change) ? [change.source] : [])),
  );
  return [
    ...unread,
    ...tasks.flatMap(({ change, receipt }): CheckStatement[] => {
      if (receipt.what === 'failed' || receipt.what === 'diverged')
        return [{ name: titleOf(change), ok: false, evidence: { error: receipt.why } }];
      if (receipt.what !== 'done') return [];
      const look = looks.get(change.source);
      if (look === undefined || typeof look === 'string')
        return [{ name: titleOf(change), ok: false, evidence: { error: look ?? 'nobody looked' } }];
      return [{ name: titleOf(change), ...seenIn(look, change, receipt.done) }];
    }),
    ...(unread.length === 0 && tasks.every(({ receipt }) => receipt.what !== 'done')
      ? [
          {
            name: 'Nothing had to be done, or somebody was in the way',
            ok: tasks.every(({ receipt }) => receipt.what !== 'failed' && receipt.what !== 'diverged'),
            evidence: { databases: facts.sources.map(({ name }) => name), postponed: tasks.length },
          },
        ]
      : []),
    ...(await comparePlans(context, facts, replanned)),
  ];
}

function seenIn(
  look: DatabaseLook,
  { kind, database, object, bytes, reason }: SourceTask,
  done: {
    readonly beforeBytes?: number | undefined;
    readonly afterBytes?: number | undefined;
    readonly how?: string | undefined;
  },
): Pick<CheckStatement, 'ok' | 'evidence'> {
  const table = look.tables.find((one) => one.database === database && one.name === object);
  const index = look.indexes.find((one) => one.database === database && one.name === object);
  const whole = look.databases.find(({ name }) => name === database);
  const before = bytes ?? done.beforeBytes ?? null;
  switch (kind) {
    case 'vacuum':
      return {
        ok: object === undefined || (table?.vacuumedAt ?? null) !== null,
        evidence: { reason, deadRows: table?.deadRows ?? null, vacuumedAt: table?.vacuumedAt ?? null },
      };
    case 'analyze':
      return {
        // An engine that keeps no account of it has said how it went.
        ok: table?.analyzedAt === undefined || table.analyzedAt !== null,
        evidence: { reason, analyzedAt: table?.analyzedAt ?? null, how: done.how ?? null },
      };
    case 'reindex':
      return {
        ok: index?.valid === true && (before === null || index.bytes < before),
        evidence: { valid: index?.valid ?? false, bytesBefore: before, bytesAfter: index?.bytes ?? null },
      };
    case 'drop-invalid-index':
      return { ok: index === undefined, evidence: { there: index !== undefined } };
    case 'rebuild': {
      const after = (object === undefined ? whole : table)?.bytes ?? null;
      return {
        ok: after !== null && (before === null || after < before),
        evidence: { bytesBefore: before, bytesAfter: after, how: done.how ?? null },
      };
    }
    case 'defragment':
      return { ok: true, evidence: { reason, fragmentation: look.fragmentation ?? null, how: done.how ?? null } };
    case 'checkpoint':
      return {
        ok: (look.logBytes ?? 0) < (done.beforeBytes ?? Infinity),
        evidence: { logBytes: look.logBytes ?? 0, before: done.beforeBytes ?? null },
      };
  }
}

/** What was done and seen, and what was not. */
export function reportOf({
  facts: { at, node, sources, left: more, rehearsals: before },
  applied,
  checks,
}: {
  readonly facts: Facts;
  readonly applied: readonly Applied<PlannedChange, Receipt>[];
  readonly checks: readonly CheckStatement[];
}): z.input<typeof MaintenanceReport> {
  const tasks = applied.flatMap(({ change, receipt }) => (change.what === 'task' ? [{ change, receipt }] : []));
  const rehearsals = [
    ...before,
    ...applied.flatMap(({ change, receipt }) =>
      change.what === 'rehearsal' && receipt.what === 'rehearsal'
        ? [{ ...receipt, source: change.source, copy: change.proven.copy }]
        : [],
    ),
  ];
  const left = (what: 'postponed' | 'failed' | 'diverged') =>
    tasks.flatMap(({ change: { source, kind, database, object }, receipt }) =>
      receipt.what === what ? [{ source, kind, database, object, why: receipt.why }] : [],
    );
  return {
    at: new Date(at),
    node,
    ok: checks.every(({ ok }) => ok),
    sources: sources.map((source) => {
      const { name, kind, look, problem } = source;
      const { told } = plansIn(checks, source);
      const rehearsal = rehearsals.find(({ source }) => source === name);
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
          ...[rehearsal?.error, rehearsal?.untried]
            .filter((why) => typeof why === 'string')
            .map((why) => `the rehearsal: ${why}`),
        ],
        ...(told !== undefined && { plans: told }),
        ...(rehearsal?.untried === null && { rehearsedOn: rehearsal.copy }),
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
    diverged: left('diverged'),
    skipped: sources.flatMap(({ name, skipped }) => skipped.map((one) => ({ source: name, ...one }))).slice(0, 200),
    left: more.reduce((sum, { tasks: some }) => sum + some, 0),
    skippedInAll: sources.reduce((sum, { skippedInAll }) => sum + skippedInAll, 0),
    rehearsed: rehearsals.flatMap(({ source, tasks: tried }) =>
      tried.flatMap(({ kind, database, object, done, error }) =>
        // What the copy does not have yet was not tried.
        done === undefined && error === undefined
          ? []
          : [
              {
                source,
                kind,
                database,
                object,
                durationMs: done?.durationMs,
                beforeBytes: done?.beforeBytes,
                afterBytes: done?.afterBytes,
                locks: (done?.locks ?? []).map(({ table, mode }) => `${table}: ${mode}`),
                error,
              },
            ],
      ),
    ),
    planChanges: sources.flatMap((source) =>
      plansIn(checks, source).changes.map((change) => ({ source: source.name, ...change })),
    ),
    slow: sources.flatMap(({ name, look }) => (look?.slow ?? []).map((query) => ({ source: name, ...query }))),
    settings: sources.flatMap(({ name, look }) => (look?.settings ?? []).map((one) => ({ source: name, ...one }))),
    advice: rehearsals.flatMap(({ source, advice }) => advice.map((one) => ({ source, ...one }))),
  };
}
