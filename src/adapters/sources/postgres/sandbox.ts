import { randomBytes } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Sandbox, SealedCopy } from '../../../core/backup/reader.ts';
import { PostgresSource, type SourceOf, type StagingServer } from '../../../core/backup/source.ts';
import type { Doing } from '../../../core/backup/store.ts';
import { StewardError } from '../../../core/errors.ts';
import { ASSERTION_MS, askAssertions } from '../assertions.ts';
import { assertRoomBeside, type Beside, notBeside } from '../beside.ts';
import { borrowedIn, recordBorrowed } from '../borrowed.ts';
import { compareContents, partOf, readContents, tellComparison } from '../contents.ts';
import { evidenceOf } from '../evidence.ts';
import { together } from '../flow.ts';
import { lookAtLayer } from '../layer.ts';
import { dotted } from '../names.ts';
import { restoredBytes } from '../restored-bytes.ts';
import { assertRoomIn, makeScratch, type ScratchFolder, sweepScratch } from '../scratch.ts';
import { endWorkersOf } from '../throw-away.ts';
import { type About, mainDatabase, readAbout } from './about.ts';
import {
  accessTo,
  connectionString,
  environmentOf,
  identifier,
  literal,
  openSession,
  type PgAccess,
  type PgSession,
} from './access.ts';
import { inOrder } from './counting.ts';
import type { SqlDeps } from '../sql-deps.ts';
import { createDatabase, fetchDump, loadDatabase } from './load.ts';
import { openServer } from './look.ts';
import { programError } from './errors.ts';
import { remarkIn, remarkText, SCRATCH_PREFIX } from './ours.ts';
import { freeOn } from './room.ts';
import { countDatabase } from './rows.ts';
import { startThrowAway } from './throw-away.ts';
import type { FindTools, PgTools } from './tools.ts';

/** A server that holds the restored databases, and what each is called there. */
interface Place {
  readonly access: PgAccess;
  /** The same, as a source: whoever can reach that reaches the place. */
  readonly source: SourceOf<'postgres'>;
  readonly tools: PgTools;
  /** A server of its own, which has the roles of the original, too. */
  readonly owners: boolean;
  called(database: string): string;
  end(): Promise<void>;
}

export const SCRATCH_KIND = 'pg';

interface Making {
  readonly deps: SqlDeps;
  readonly find: FindTools;
  readonly source: SourceOf<'postgres'>;
  readonly copy: SealedCopy;
  readonly about: About;
  readonly folder: ScratchFolder;
  readonly owner: string;
  readonly beside: Beside;
}

export async function makeSandbox(
  { deps, find, source, copy, scratch, owner, beside }: Omit<Making, 'about' | 'folder'> & { readonly scratch: string },
  doing: Doing,
): Promise<Sandbox> {
  const about = await readAbout(copy, doing);
  const bytes = copy.manifest.parts.reduce((sum, part) => sum + part.bytes, 0);
  const folder = await makeScratch(scratch, { kind: SCRATCH_KIND, owner, room: bytes });
  const making: Making = { deps, find, source, copy, about, folder, owner, beside };
  let place: Place | undefined;
  const end = async (): Promise<void> => {
    await place?.end();
    await folder.remove();
  };
  try {
    const notes: string[] = [];
    const restore = await lookAtLayer('restore', async () => {
      const first = about.databases[0];
      const [file] = await together(doing, [
        async (now) => first && (await fetchDump({ copy, about: first, folder: folder.path }, now)),
        // Its life is as long as that of the sandbox, not of what goes on beside its start.
        async () => void (place = await makePlace(making, notes, doing)),
      ]);
      const there = place;
      if (!there) throw new StewardError('INTERNAL', 'A sandbox was made without a place.');
      for (const [at, database] of about.databases.entries()) {
        const dump =
          at === 0 && file !== undefined
            ? file
            : await fetchDump({ copy, about: database, folder: folder.path }, doing);
        await using session = await openServer(there.access, there.source, doing);
        const into = there.called(database.name);
        if (!(await createDatabase(session, into, database, { anyLocale: true })))
          notes.push(
            `${dotted(database.name)} sorts by ${database.collate}, which this machine does not know: here it sorts by C`,
          );
        await session.rows(
          `comment on database ${identifier(into)} is ${literal(remarkText({ is: 'restoring', database: database.name, copy: copy.manifest.copy, owner }))}`,
        );
        const loading = {
          copy,
          about: database,
          access: there.access,
          into,
          tools: there.tools,
          programs: deps.programs,
          folder: folder.path,
          owners: there.owners,
        };
        await loadDatabase(loading, dump, doing);
        await rm(dump, { force: true });
      }
      const where = there.owners
        ? 'a throw-away server'
        : `throw-away databases on ${there.source === source ? 'its own server' : `${there.access.host}:${there.access.port}`}`;
      return {
        ok: true,
        statement:
          [
            `${about.databases.length} databases were restored into ${where} (PostgreSQL ${there.tools.version})`,
            ...notes,
          ].join('; ') + '.',
        evidence: { databases: about.databases.map(({ name }) => name), notes },
      };
    });
    return { ...whatItAnswers(making, () => place), restore, end };
  } catch (thrown) {
    await end();
    throw thrown;
  }
}

function whatItAnswers(
  { deps, source, copy, about }: Making,
  place: () => Place | undefined,
): Pick<Sandbox, 'content' | 'assertions' | 'environment' | 'standIn'> {
  const held = (): Place => {
    const there = place();
    if (there) return there;
    throw new StewardError('PRECONDITION_FAILED', 'Nothing was restored, so nothing can be asked of it.');
  };
  const main = mainDatabase(about.databases)?.name ?? 'postgres';
  const there = place();
  return {
    content: (doing) =>
      lookAtLayer('content', async () => {
        const { access, called, tools } = held();
        const found = [];
        for (const one of about.databases) {
          const counting = { copy, about: one, hash: about.hash, access, into: called(one.name), tools };
          found.push(...(await countDatabase({ ...counting, programs: deps.programs }, doing)));
        }
        const comparison = await compareContents(readContents(copy, doing), inOrder(found));
        return { ok: comparison.ok, statement: tellComparison(comparison, 'tables'), evidence: evidenceOf(comparison) };
      }),
    assertions: (doing) =>
      askAssertions(
        source.assertions,
        async ({ database = main, sql }) => {
          if (!about.databases.some(({ name }) => name === database))
            throw new StewardError('NOT_FOUND', `The copy has no database ${dotted(database)}.`);
          const { access, called } = held();
          await using session = await openSession(access, called(database), doing);
          await session.rows('begin transaction read only');
          await session.rows(`set local statement_timeout = ${ASSERTION_MS}`);
          await session.rows('set local search_path = public');
          // A list of values, if an empty one: so it is sent as one statement, which cannot end the transaction.
          const [row] = await session.rows(sql, []);
          return row && Object.values(row)[0];
        },
        doing.signal,
      ),
    environment: there
      ? {
          STEWARD_SANDBOX_HOST: there.access.host,
          STEWARD_SANDBOX_PORT: String(there.access.port),
          STEWARD_SANDBOX_USER: there.access.user,
          STEWARD_SANDBOX_PASSWORD: there.access.password ?? '',
          STEWARD_SANDBOX_DATABASE: there.called(main),
        }
      : {},
    standIn: there && {
      own: there.owners,
      source: there.source,
      called: (database) =>
        about.databases.some(({ name }) => name === database) ? there.called(database) : undefined,
    },
  };
}

/** The same source, where another server has it. */
function reachedAt(
  source: SourceOf<'postgres'>,
  { host, port, user, password, tls, ca }: Omit<StagingServer, 'always'>,
): SourceOf<'postgres'> {
  // Whoever is known at the original is nobody there.
  const { password: _, user: __, ...rest } = source;
  return { ...rest, host, port, tls, ca, ...(user !== undefined && { user }), ...(password && { password }) };
}

/**
 * A server of its own; where this machine has none to start, or the source says so, databases under names that no live one has: on
 * the server that it names for drills, else beside the original.
 */
async function makePlace(making: Making, notes: string[], doing: Doing): Promise<Place> {
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
    { folder, tools, programs: deps.programs, account: await deps.account() },
    doing,
  );
  const place: Place = {
    access: thrownAway.access,
    source: reachedAt(making.source, { ...thrownAway.access, password: undefined }),
    tools,
    owners: true,
    called: (database) => database,
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
  const access = await accessTo(source, deps.secrets);
  const names = new Map(
    about.databases.map(({ name }) => [name, `${SCRATCH_PREFIX}${randomBytes(6).toString('hex')}`]),
  );
  await using session = await openServer(access, source, doing);
  if (drillOn) await refuseOlder(session, access, about);
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

/** Removes throw-away databases: by their prefix and by what Steward wrote on them, and no other. */
export async function dropScratch(
  access: PgAccess,
  source: SourceOf<'postgres'>,
  names: readonly string[],
  doing: Doing,
): Promise<void> {
  await using session = await openServer(access, source, doing);
  const found = await session.rows<{ name: string; comment: string | null; empty: boolean }>(
    `select datname as name, pg_catalog.shobj_description(oid, 'pg_database') as comment from pg_catalog.pg_database where datname = any($1)`,
    [names],
  );
  for (const { name, comment } of found) {
    // One without a word on it was made the moment before its maker died.
    if (!name.startsWith(SCRATCH_PREFIX) || (comment !== null && remarkIn(comment)?.is !== 'restoring')) continue;
    await session.rows(
      'select pg_catalog.pg_terminate_backend(pid) from pg_catalog.pg_stat_activity where datname = $1',
      [name],
    );
    await session.rows(`drop database if exists ${identifier(name)}`);
  }
}

export function sweepSandboxes(
  deps: SqlDeps,
  owners: ReadonlySet<string> | 'all-dead',
  scratch: string,
  doing: Doing,
): Promise<readonly string[]> {
  return sweepScratch(scratch, SCRATCH_KIND, owners, async (folder) => {
    await endWorkersOf(join(folder, 'data'), 'SIGQUIT');
    const borrowed = await borrowedIn(folder);
    if (borrowed === undefined) return;
    const known = PostgresSource.parse(borrowed.source);
    await dropScratch(await accessTo(known, deps.secrets), known, borrowed.databases, doing);
  });
}
