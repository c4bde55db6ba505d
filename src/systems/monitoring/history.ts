import { type Kysely, sql } from 'kysely';
import type { MonitoringTables } from './tables.ts';

const DAY_MS = 86_400_000;
/** Where nothing is configured. */
const KEEP_RESULTS_MS = 7 * DAY_MS;
const KEEP_TRANSITIONS_DAYS = 90;
const PARTITION = /^check_results_(\d{4})_(\d{2})_(\d{2})$/;

/**
 * Makes room for the results of today and the next two days, and drops whole days that are older than what is kept:
 * no row is deleted one by one, so the history neither bloats nor stalls who writes.
 */
export async function keepHistory(db: Kysely<MonitoringTables>, now: Date, keepMs = KEEP_RESULTS_MS): Promise<void> {
  const { rows } = await sql<{ name: string }>`
    select c.relname as name from pg_inherits i join pg_class c on c.oid = i.inhrelid where i.inhparent = 'check_results'::regclass`.execute(
    db,
  );
  const names = new Set(rows.map(({ name }) => name));
  for (let ahead = 0; ahead <= 2; ahead += 1) {
    const day = new Date(now.getTime() + ahead * DAY_MS);
    const name = partitionOf(day);
    if (!names.has(name)) await createPartition(db, name, day);
  }
  const keepFrom = new Date(now.getTime() - keepMs);
  const oldest = partitionOf(keepFrom);
  for (const name of names) {
    if (PARTITION.test(name) && name < oldest) await sql`drop table if exists ${sql.table(name)}`.execute(db);
  }
  await sql`delete from check_results_other where at < ${keepFrom}`.execute(db);
  await db.deleteFrom('checks').where('retired_at', '<', keepFrom).execute();
  await db.deleteFrom('health_sweeps').where('at', '<', keepFrom).execute();
  // The last one before the limit says how the service was at the limit; of what nobody watches any more nothing stays.
  const transitionsFrom = new Date(now.getTime() - KEEP_TRANSITIONS_DAYS * DAY_MS);
  await sql`delete from service_statuses s where since < ${transitionsFrom}
    and not exists (select from checks c where c.resource_id = s.resource_id)`.execute(db);
  await sql`delete from service_transitions t where at < ${transitionsFrom}
    and (exists (select from service_transitions later where later.resource_id = t.resource_id and later.at > t.at and later.at < ${transitionsFrom})
      or not exists (select from service_statuses s where s.resource_id = t.resource_id))`.execute(db);
}

async function createPartition(db: Kysely<MonitoringTables>, name: string, day: Date): Promise<void> {
  const from = `${day.toISOString().slice(0, 10)}T00:00:00Z`;
  const to = `${new Date(Date.parse(from) + DAY_MS).toISOString().slice(0, 10)}T00:00:00Z`;
  await db.transaction().execute(async (trx) => {
    // Two nodes make the same partition at midnight; and rows of that day may have gone to the default one already.
    await sql`select pg_advisory_xact_lock(hashtext('steward check_results partitions'))`.execute(trx);
    // to_regclass would answer from what this connection knew before it waited for the lock.
    const { rows } = await sql`select from pg_class where relname = ${name} and pg_table_is_visible(oid)`.execute(trx);
    if (rows.length > 0) return;
    await sql`create table ${sql.table(name)} (like check_results including defaults)`.execute(trx);
    await sql`with moved as (delete from check_results_other where at >= ${sql.lit(from)} and at < ${sql.lit(to)} returning *)
      insert into ${sql.table(name)} select * from moved`.execute(trx);
    await sql`alter table check_results attach partition ${sql.table(name)} for values from (${sql.lit(from)}) to (${sql.lit(to)})`.execute(
      trx,
    );
  });
}

function partitionOf(day: Date): string {
  return `check_results_${day.toISOString().slice(0, 10).replaceAll('-', '_')}`;
}

const GAP_MS = 5 * 60_000;

/** Nobody looked while Steward did not run: that time counts neither as up nor as down. */
export async function bridgeGap(db: Kysely<MonitoringTables>, node: string, now: Date): Promise<void> {
  await sql`with silent as (
      select s.resource_id, s.state, max(cs.at) as seen from service_statuses s
      join checks c on c.resource_id = s.resource_id join check_states cs on cs.check_id = c.id
      where s.node = ${node} and s.state <> 'unknown' group by s.resource_id, s.state having max(cs.at) < ${new Date(now.getTime() - GAP_MS)})
    insert into service_transitions (resource_id, at, state, message)
    select resource_id, seen, 'unknown', 'Steward did not run' from silent
    union all select resource_id, ${now}, state, 'Steward runs again' from silent`.execute(db);
}
