import type { RunRow } from './run-rows.ts';
import type { Runs } from './runs.ts';

const STEWARDS_OWN: ReadonlySet<RunRow['trigger']> = new Set(['schedule', 'healing']);

/** Proposals that nobody answered give way to this newer one, so that a person is never asked the same thing twice. */
export async function supersede({ db, move }: Pick<Runs, 'db' | 'move'>, row: RunRow): Promise<void> {
  const older = await db
    .selectFrom('runs')
    .selectAll()
    .where('status', '=', 'waiting-approval')
    .where('automation', '=', row.automation)
    .where('node', '=', row.node)
    .where('id', '!=', row.id)
    .where('created_at', '<=', row.created_at)
    .where((where) =>
      row.target_id === null ? where('target_id', 'is', null) : where('target_id', '=', row.target_id),
    )
    .execute();
  for (const other of older) {
    if (!givesWay(other, row)) continue;
    const error = JSON.stringify({
      code: 'CONFLICT',
      message: `superseded: run ${row.id} proposes it anew.`,
      hint: `Answer that one: steward run show ${row.id}`,
    });
    await move(other.id, {
      to: 'rejected',
      from: ['waiting-approval'],
      patch: { error },
      tell: { type: 'run.superseded', data: { supersededBy: row.id } },
    });
  }
}

function givesWay(older: RunRow, newer: RunRow): boolean {
  if (isAboutOneRun(older) || isAboutOneRun(newer)) return false;
  // What a schedule asks for may carry the instant; it is the same question again nevertheless.
  const { scheduleId } = newer.causation;
  if (scheduleId !== undefined && older.causation.scheduleId === scheduleId) return true;
  const same = older.input_hash !== null && older.input_hash === newer.input_hash;
  return same && (older.actor.id === newer.actor.id || STEWARDS_OWN.has(newer.trigger));
}

/** There is never a second one of these beside the first. */
const isAboutOneRun = ({ relation }: RunRow): boolean => relation?.kind === 'undoes' || relation?.kind === 'continues';
