import type { Doing } from '../../../core/backup/store.ts';
import type { DatabaseAt, Wanted } from '../../../core/database/engine.ts';
import type { DatabaseLook } from '../../../core/database/look.ts';
import { StewardError } from '../../../core/errors.ts';
import { openSession, type PgAccess } from '../../sources/postgres/access.ts';
import { lookAtServer, openServer } from '../../sources/postgres/look.ts';
import { lookAtIndexes } from './indexes.ts';
import { measure } from './measure.ts';
import { lookAtWhole } from './server.ts';
import type { MachineOf } from '../machine.ts';
import { settingsOf } from './settings.ts';
import { NO_STATEMENTS, slowIn } from './slow.ts';
import { lookAtTables } from './tables.ts';

/** One question may take so long before it is given up: a look must not be what a server suffers from. */
const ANSWERS_WITHIN_MS = 30_000;

export async function lookAt(
  { source }: DatabaseAt<'postgres'>,
  access: PgAccess,
  { slowMs, measure: measuring = false }: Wanted,
  {
    doing,
    now,
    machineOf,
  }: { readonly doing: Doing; readonly now: () => Date; readonly machineOf?: MachineOf | undefined },
): Promise<DatabaseLook> {
  const at = now().toISOString();
  const { version, databases: names } = await lookAtServer(source, access, doing);
  await using server = await openServer(access, source, doing);
  const whole = await lookAtWhole(server);
  const seen: DatabaseLook = {
    source: source.name,
    kind: 'postgres',
    version,
    at,
    ...whole,
    databases: [],
    tables: [],
    indexes: [],
    slow: [],
    blind: [...whole.blind],
  };
  let partial = false;
  let slow: Awaited<ReturnType<typeof slowIn>>;
  const lookInto = async (database: string): Promise<void> => {
    await using session = await openSession(access, database, doing);
    await session.rows(`set statement_timeout = ${measuring ? 0 : ANSWERS_WITHIN_MS}`);
    // A look that waits for somebody's lock would stand in the way of who comes after.
    await session.rows("set lock_timeout = '2s'");
    const [size] = await session.rows<{ bytes: number }>(
      'select pg_catalog.pg_database_size(current_database())::float8 as bytes',
    );
    seen.databases.push({ name: database, bytes: size?.bytes ?? 0, measured: false });
    const { tables, more } = await lookAtTables(session, database);
    const { indexes, more: moreIndexes } = await lookAtIndexes(session, database);
    if (more || moreIndexes)
      seen.blind.push({
        what: `the smaller tables and indexes of ${database}`,
        hint: 'Only its 1000 largest tables and 2000 largest indexes are looked at; autovacuum sees to the rest.',
      });
    const known = measuring ? await measure(session, { database, tables, indexes }, doing) : { tables, indexes };
    if ('blind' in known && known.blind) seen.blind.push(known.blind);
    seen.tables.push(...known.tables.map(({ heap: _, fill: _fill, ...table }) => table));
    seen.indexes.push(...known.indexes.map(({ method: _, fill: _fill, ...index }) => index));
    slow ??= await slowIn(session, { slowMs, databases: names });
  };
  for (const database of names) {
    doing.signal.throwIfAborted();
    try {
      await lookInto(database);
    } catch (thrown) {
      if (doing.signal.aborted) throw thrown;
      // What holds for the whole server is seen all the same, above all when somebody holds a table.
      partial = true;
      seen.blind.push({
        what: `the tables of ${database}: ${StewardError.from(thrown).message}`,
        hint: 'They are looked at again with the next look.',
      });
    }
  }
  seen.slow.push(...(slow?.slow ?? []));
  if (!slow) seen.blind.push(NO_STATEMENTS);
  else if (slow.blind) seen.blind.push(slow.blind);
  const settings = machineOf && (await settingsOf(server, source, seen, machineOf));
  return { ...seen, ...(settings && { settings }), ...(partial && { partial }) };
}
