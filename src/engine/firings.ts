import type { Transaction } from 'kysely';
import { canonicalJson, type JsonObject } from '../core/json.ts';
import type { Schedule } from '../core/schedule.ts';
import { instantsBetween } from './instants.ts';
import type { EngineTables } from './tables.ts';
import type { FiringOutcome } from './tables-schedules.ts';

type Trx = Transaction<EngineTables>;

/** What the store knows of a schedule, held until the transaction ends: nodes decide one after the other. */
export async function lockSchedule(trx: Trx, id: string): Promise<Date | undefined> {
  const row = await trx
    .selectFrom('schedules')
    .select('seen_until')
    .where('id', '=', id)
    .forUpdate()
    .executeTakeFirst();
  return row?.seen_until;
}

/** Since when it is looked after. One that is new, or changed, makes up for nothing, and its former words are kept. */
export async function registerSchedule(
  trx: Trx,
  { id, workflow, schedule }: { readonly id: string; readonly workflow: string; readonly schedule: Schedule },
  now: Date,
): Promise<Date> {
  const definition = schedule as unknown as JsonObject;
  const text = JSON.stringify(definition);
  await trx
    .insertInto('schedules')
    .values({ id, workflow, definition: text, seen_until: now })
    .onConflict((conflict) => conflict.doNothing())
    .execute();
  const row = await trx.selectFrom('schedules').selectAll().where('id', '=', id).forUpdate().executeTakeFirstOrThrow();
  const current = await trx
    .selectFrom('schedule_definitions')
    .select(['since', 'definition'])
    .where('schedule', '=', id)
    .where('until', 'is', null)
    .executeTakeFirst();
  const same = canonicalJson(row.definition) === canonicalJson(definition);
  if (same && current && canonicalJson(current.definition) === canonicalJson(definition)) return row.seen_until;
  const since = same ? row.seen_until : now;
  await trx
    .updateTable('schedules')
    .set({ workflow, definition: text, seen_until: since })
    .where('id', '=', id)
    .execute();
  await trx
    .updateTable('schedule_definitions')
    .set({ until: since })
    .where('schedule', '=', id)
    .where('until', 'is', null)
    .execute();
  await trx
    .insertInto('schedule_definitions')
    .values({ schedule: id, definition: text, since })
    .onConflict((conflict) => conflict.columns(['schedule', 'since']).doUpdateSet({ definition: text, until: null }))
    .execute();
  return since;
}

/** Whether something became of this instant already. */
export async function isDecided(trx: Trx, schedule: string, instant: Date): Promise<boolean> {
  const row = await trx
    .selectFrom('schedule_firings')
    .select('outcome')
    .where('schedule', '=', schedule)
    .where('instant', '=', instant)
    .executeTakeFirst();
  return row !== undefined;
}

export async function recordFiring(
  trx: Trx,
  firing: { schedule: string; instant: Date; outcome: FiringOutcome; execution?: string | undefined; at: Date },
): Promise<void> {
  await trx
    .insertInto('schedule_firings')
    .values({ ...firing, execution: firing.execution ?? null })
    .onConflict((conflict) => conflict.doNothing())
    .execute();
}

/** Those that came while nobody looked, as one row. */
export async function recordMissed(trx: Trx, schedule: string, instants: readonly Date[], at: Date): Promise<void> {
  const [first, last] = [instants[0], instants.at(-1)];
  if (!first || !last) return;
  await trx
    .insertInto('schedule_firings')
    .values({ schedule, instant: last, since: first, count: instants.length, outcome: 'missed', at })
    .onConflict((conflict) => conflict.doNothing())
    .execute();
}

/** The clock was ahead and is right again: what it called missed is still to come. What was started stays started. */
export async function stepBack(trx: Trx, id: string, schedule: Schedule, now: Date): Promise<void> {
  const ahead = await trx
    .deleteFrom('schedule_firings')
    .where('schedule', '=', id)
    .where('outcome', '=', 'missed')
    .where('instant', '>', now)
    .returning(['since', 'at'])
    .execute();
  for (const { since, at } of ahead) {
    if (!since || since > now) continue;
    await recordMissed(trx, id, [...instantsBetween(schedule, new Date(since.getTime() - 1), now)], at);
  }
  await trx.updateTable('schedules').set({ seen_until: now }).where('id', '=', id).execute();
}
