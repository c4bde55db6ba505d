import { sql } from 'kysely';
import { floorTo } from './levels.ts';
import type { MetricDb } from './tables.ts';

export interface Partitioned {
  readonly table: string;
  readonly partitionMs: number;
}

interface Partition {
  readonly name: string;
  readonly from: number;
}

/** The partitions there are, the default one left out. */
export async function partitionsOf(db: MetricDb, { table }: Partitioned): Promise<Partition[]> {
  const { rows } = await sql<{ name: string }>`
    select c.relname as name from pg_inherits i join pg_class c on c.oid = i.inhrelid where i.inhparent = ${table}::regclass`.execute(
    db,
  );
  return rows.flatMap(({ name }) => {
    const [, year, month, day] = /_(\d{4})(\d{2})(\d{2})$/.exec(name) ?? [];
    return day === undefined ? [] : [{ name, from: Date.parse(`${year}-${month}-${day}T00:00:00Z`) }];
  });
}

/** Makes the partition that an instant falls into, where it is missing. */
export async function makeRoom(db: MetricDb, kept: Partitioned, instant: number): Promise<void> {
  const from = new Date(floorTo(instant, kept.partitionMs));
  const to = new Date(from.getTime() + kept.partitionMs);
  const name = `${kept.table}_${from.toISOString().slice(0, 10).replaceAll('-', '')}`;
  // to_regclass would answer from what this connection knew before it waited for the lock.
  const exists = async (on: MetricDb): Promise<boolean> =>
    (await sql`select from pg_class where relname = ${name} and pg_table_is_visible(oid)`.execute(on)).rows.length > 0;
  if (await exists(db)) return;
  await db.transaction().execute(async (trx) => {
    // Two nodes make the same one at midnight; and rows of that time may have gone to the default one already.
    await sql`select pg_advisory_xact_lock(hashtext('steward metric partitions'))`.execute(trx);
    if (await exists(trx)) return;
    const [parent, child] = [sql.table(kept.table), sql.table(name)];
    await sql`create table ${child} (like ${parent} including defaults including indexes)`.execute(trx);
    await sql`with moved as (delete from ${sql.table(`${kept.table}_other`)} where at >= ${from} and at < ${to} returning *)
      insert into ${child} select * from moved`.execute(trx);
    await sql`alter table ${parent} attach partition ${child} for values from (${sql.lit(from.toISOString())}) to (${sql.lit(to.toISOString())})`.execute(
      trx,
    );
  });
}

/** Drops the partitions that end before then; no row is removed one by one but those that no partition was made for. */
export async function dropBefore(db: MetricDb, kept: Partitioned, before: number): Promise<void> {
  for (const { name, from } of await partitionsOf(db, kept)) {
    if (from + kept.partitionMs <= before) await sql`drop table if exists ${sql.table(name)}`.execute(db);
  }
  await sql`delete from ${sql.table(`${kept.table}_other`)} where at < ${new Date(before)}`.execute(db);
}
