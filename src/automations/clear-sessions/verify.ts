import type { Applied } from '../../core/automation.ts';
import { StewardError } from '../../core/errors.ts';
import type { CheckStatement } from '../../core/run.ts';
import type { Receipt } from './execute.ts';
import { type Ctx, type Facts, placeOf, type SeenTable, type TableChange, whyOf } from './plan.ts';

interface Done {
  readonly facts: Facts;
  readonly applied: readonly Applied<TableChange, Receipt>[];
}

/** Counts again, by the same instant. */
export async function verify({ ports, signal }: Ctx, { facts, applied }: Done): Promise<CheckStatement[]> {
  const checks: CheckStatement[] = facts.unreached
    .filter(({ waits }) => !waits)
    .map(({ source, table, why }) => ({
      name: `Expired rows of ${table} (${source}) can be removed`,
      ok: false,
      evidence: { why },
    }));
  for (const seen of facts.tables) {
    const receipt = receiptOf(applied, seen);
    if (receipt?.what === 'failed')
      checks.push({
        name: `Expired rows are removed from ${placeOf(seen)}`,
        ok: false,
        evidence: { why: receipt.why },
      });
    if (receipt?.what !== 'cleared') continue;
    checks.push(onlyExpired(seen, receipt));
    try {
      const after = await ports.expiry.look(seen.configured, { signal }, seen.before);
      checks.push({
        name: `No row that had expired is left in ${placeOf(seen)}, but what could not be had`,
        ok: after.expired === 0 || (receipt.left !== null && after.expired <= receipt.left),
        evidence: {
          before: seen.before,
          expiredBefore: seen.expired,
          removed: receipt.removed,
          expiredNow: after.expired,
          othersBefore: seen.others,
          othersNow: after.others,
          ...(receipt.stopped !== null && { stopped: receipt.stopped }),
        },
      });
    } catch (thrown) {
      if (signal.aborted) throw thrown;
      checks.push({
        name: `${placeOf(seen)} can be counted again`,
        ok: false,
        evidence: { why: whyOf(StewardError.from(thrown)) },
      });
    }
  }
  if (checks.length > 0) return checks;
  const named = facts.tables.length + facts.unreached.length;
  return [
    {
      name: named === 0 ? 'The configuration names no table' : 'Nothing had expired, or somebody was in the way',
      ok: true,
      evidence: {
        tables: facts.tables.map(placeOf),
        postponed: facts.unreached.map(({ table, why }) => `${table}: ${why}`),
        ...(named === 0 && { hint: 'databases.sessions in steward.yaml names tables, and when their rows expire.' }),
      },
    },
  ];
}

/**
 * The database says of what it removed which instant was the latest. The count of the others proves nothing: an application
 * that lets people in and out changes it meanwhile.
 */
function onlyExpired(
  seen: SeenTable,
  { removed, latest, limit }: Extract<Receipt, { what: 'cleared' }>,
): CheckStatement {
  return {
    name: `No row that had not expired was removed from ${placeOf(seen)}`,
    ok: removed === 0 || (latest !== null && latest <= limit),
    evidence: { removed, latest, limit },
  };
}

function receiptOf(applied: Done['applied'], { id }: SeenTable): Receipt | undefined {
  return applied.find(({ change }) => change.id === id)?.receipt;
}

/** What went, table by table, and what did not. */
export function reportOf({ facts: { tables, unreached }, applied }: Done) {
  const failed = tables.flatMap((seen) => {
    const receipt = receiptOf(applied, seen);
    return receipt === undefined || receipt.what === 'cleared'
      ? []
      : [{ source: seen.configured.source, table: seen.table, why: receipt.why }];
  });
  const reached = tables.map((seen) => {
    const { configured, database, table, before, expired, oldest, others } = seen;
    const receipt = receiptOf(applied, seen);
    const cleared = receipt?.what === 'cleared' ? receipt : undefined;
    return {
      source: configured.source,
      database,
      table,
      before: new Date(before),
      expired,
      oldest,
      removed: cleared?.removed ?? 0,
      left: cleared ? cleared.left : expired,
      others,
      ...(typeof cleared?.stopped === 'string' && { why: cleared.stopped }),
    };
  });
  return {
    tables: reached,
    removed: reached.reduce((sum, { removed }) => sum + removed, 0),
    unreached: [...unreached.map(({ source, table, why }) => ({ source, table, why })), ...failed],
  };
}
