import { randomBytes } from 'node:crypto';
import type { SealedCopy } from '../../../core/backup/reader.ts';
import type { SourceOf, StagingServer } from '../../../core/backup/source.ts';
import type { Doing } from '../../../core/backup/store.ts';
import { StewardError } from '../../../core/errors.ts';
import { assertRoomBeside, type Beside, notBeside } from '../beside.ts';
import { recordBorrowed } from '../borrowed.ts';
import { partOf } from '../contents.ts';
import { hostOf } from '../reaching.ts';
import { restoredBytes } from '../restored-bytes.ts';
import { assertRoomIn, type ScratchFolder } from '../scratch.ts';
import type { SqlDeps } from '../sql-deps.ts';
import type { About } from './about.ts';
import { accessTo, connectionString, environmentOf, openSession, type PgAccess, type PgSession } from './access.ts';
import { dropScratch } from './drop-scratch.ts';
import { programError } from './errors.ts';
import { openServer } from './look.ts';
import { SCRATCH_PREFIX } from './ours.ts';
import { freeOn } from './room.ts';
import { startThrowAway } from './throw-away.ts';
import type { FindTools, PgTools } from './tools.ts';

/** A server that holds the restored databases, and what each is called there. */
export interface Place {
  readonly access: PgAccess;
  /** The same, as a source: whoever can reach that reaches the place. */
  readonly source: SourceOf<'postgres'>;
  readonly tools: PgTools;
  /** A server of its own, which has the roles of the original, too. */
  readonly owners: boolean;
  called(database: string): string;
  /** Resolves when a server of its own is gone. */
  readonly ended?: Promise<unknown> | undefined;
  end(): Promise<void>;
}

/** What a place is made for. */
export interface Making {
  readonly deps: SqlDeps;
  readonly find: FindTools;
  readonly source: SourceOf<'postgres'>;
  readonly copy: SealedCopy;
  readonly about: About;
  readonly folder: ScratchFolder;
  readonly owner: string;
  readonly beside: Beside;
}

/** The same source, where another server has it. */
function reachedAt(
  source: SourceOf<'postgres'>,
  { host, port, user, password, tls, ca }: Omit<StagingServer, 'always'>,
): SourceOf<'postgres'> {
  // Whoever is known at the original is nobody there.
  const { password: _, user: __, container: ___, ...rest } = source;
  return { ...rest, host, port, tls, ca, ...(user !== undefined && { user }), ...(password && { password }) };
}

/**
 * A server of its own; where this machine has none to start, or the source says so, databases under names that no live one has: on
 * the server that it names for drills, else beside the original.
 */
export async function makePlace(making: Making, notes: string[], doing: Doing): Promise<Place> {
  const { deps, find, about, folder } = making;
  const server = Number.parseInt(about.version, 10);
  const { drillOn } = making.source;
  if (drillOn?.always && making.beside !== 'never')
    return await borrowPlace(making, await find({ server, own: false }, doing), doing);
  const tools = await find({ server, own: true }, doing).catch((thrown: unknown) => {
    if (StewardError.from(thrown).code !== 'PRECONDITION_FAILED') throw thrown;
    if (making.beside === 'never') throw notBeside(`PostgreSQL ${server}`);
    notes.push(`this machine has no PostgreSQL ${server} to start`);
    return undefined;
  });
  if (!tools) return await borrowPlace(making, await find({ server, own: false }, doing), doing);
  // The dump that is restored lies beside it; others may have their disk in the same place.
  await assertRoomIn(folder.path, restoredBytes(about.databases, making.copy.manifest));
  const thrownAway = await startThrowAway(
    { folder, tools, programs: deps.programs, account: await deps.account(), cache: deps.cache },
    doing,
  );
  const place: Place = {
    access: thrownAway.access,
    source: reachedAt(making.source, { ...thrownAway.access, password: undefined }),
    tools,
    owners: true,
    called: (database) => database,
    ended: thrownAway.ended,
    end: thrownAway.end,
  };
  try {
    await restoreRoles(making, place, doing);
    // These are there already in a new server, and the copy has them too.
    await using session = await openSession(place.access, 'template1', doing);
    if (about.databases.some(({ name }) => name === 'postgres')) await session.rows('drop database postgres');
    return place;
  } catch (thrown) {
    await place.end();
    throw thrown;
  }
}

async function restoreRoles({ deps, copy }: Making, { tools, access }: Place, doing: Doing): Promise<void> {
  const part = partOf(copy, ({ name }) => name === 'globals.sql', 'the roles of its server');
  const result = await deps.programs.stream(
    {
      program: tools.program('psql'),
      args: ['-X', '-q', '-v', 'ON_ERROR_STOP=1', '-f', '-', '-d', connectionString('template1')],
      env: environmentOf(access),
      timeoutMs: 600_000,
      signal: doing.signal,
      input: copy.store.read(copy.location, part, doing),
    },
    async () => undefined,
  );
  if (result.exitCode !== 0) throw programError('psql', result, 'the restore of roles', 'VERIFICATION_FAILED');
}

async function borrowPlace(
  { deps, source: original, copy, about, folder, beside }: Making,
  tools: PgTools,
  doing: Doing,
): Promise<Place> {
  const { drillOn } = original;
  const source = drillOn ? reachedAt(original, drillOn) : original;
  const access = await accessTo(source, deps);
  const names = new Map(
    about.databases.map(({ name }) => [name, `${SCRATCH_PREFIX}${randomBytes(6).toString('hex')}`]),
  );
  await using session = await openServer(access, source, doing);
  if (drillOn) await refuseOlder(session, access, about);
  if (!drillOn || (access.host === (await hostOf(original, deps)) && access.port === original.port))
    await refuseSuperuser(session, access);
  assertRoomBeside({
    // A server that is named for that is nobody's original.
    beside: drillOn ? undefined : beside,
    server: `${access.host}:${access.port}`,
    bytes: restoredBytes(about.databases, copy.manifest),
    free: await freeOn(session, access),
    hint: 'Install the server programs of PostgreSQL on this machine, which then starts one of its own, or name a server as backups.staging.',
  });
  const taken = await session.rows('select from pg_catalog.pg_database where datname = any($1)', [[...names.values()]]);
  if (taken.length > 0)
    throw new StewardError('CONFLICT', 'A database has the name that was drawn for a throw-away one.', {
      retryable: true,
    });
  await recordBorrowed(folder.path, source, [...names.values()]);
  const called = (database: string): string => names.get(database) ?? '';
  const end = (): Promise<void> =>
    dropScratch(access, source, [...names.values()], { signal: AbortSignal.timeout(60_000) });
  return { access, source, tools, owners: false, called, end };
}

/**
 * What a copy brings along, checks and expressions of anybody who may make a table, runs as whoever restores it: beside the original that
 * must be nobody who may do everything there.
 */
async function refuseSuperuser(session: PgSession, { host, port, user }: PgAccess): Promise<void> {
  const [mine] = await session.rows<{ super: boolean }>(
    'select rolsuper as super from pg_catalog.pg_roles where rolname = current_user',
  );
  if (!mine?.super) return;
  throw new StewardError(
    'PRECONDITION_FAILED',
    `A copy is not tried on ${host}:${port}, where its original is, as the superuser ${user}: code that is in it would have all rights there.`,
    {
      hint: `Install the server programs of PostgreSQL on this machine, which then starts one of its own; or name another server as backups.staging; or make a role for it (create role steward_drill login createdb in role pg_read_all_settings) and name it as drillOn of the source.`,
    },
  );
}

/** What an older server does not take says nothing of the copy. */
async function refuseOlder(session: PgSession, { host, port }: PgAccess, { version }: About): Promise<void> {
  const [there] = await session.rows<{ version: string }>("select current_setting('server_version') as version");
  if (there && Number.parseInt(there.version, 10) >= Number.parseInt(version, 10)) return;
  throw new StewardError(
    'PRECONDITION_FAILED',
    `The copy is of PostgreSQL ${version}, and ${host}:${port}, where it is to be tried, is ${there?.version ?? 'unknown'}.`,
    { hint: 'Name a server of that version or newer as drillOn of the source, or as backups.staging.' },
  );
}
