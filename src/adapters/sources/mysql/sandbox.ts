import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { Sandbox, SealedCopy } from '../../../core/backup/reader.ts';
import { MysqlSource, type SourceOf } from '../../../core/backup/source.ts';
import type { Doing } from '../../../core/backup/store.ts';
import { ms } from '../../../core/duration.ts';
import { StewardError } from '../../../core/errors.ts';
import { askAssertions } from '../assertions.ts';
import { assertRoomBeside, type Beside, notBeside } from '../beside.ts';
import { borrowedIn, recordBorrowed } from '../borrowed.ts';
import { compareContents, judge, readContents } from '../contents.ts';
import { byName } from '../order.ts';
import { evidenceOf } from '../evidence.ts';
import { lookAtLayer } from '../layer.ts';
import { dotted } from '../names.ts';
import { restoredBytes } from '../restored-bytes.ts';
import { assertRoomIn, makeScratch, type ScratchFolder, sweepScratch } from '../scratch.ts';
import type { SqlDeps } from '../sql-deps.ts';
import { endWorkersOf } from '../throw-away.ts';
import { type About, readAbout } from './about.ts';
import { accessTo, identifier, type MyAccess, openSession } from './access.ts';
import { isOfData } from './errors.ts';
import { countDatabase, loadDatabase, runScript } from './load.ts';
import { SCRATCH_PREFIX } from './look.ts';
import { freeOn } from './room.ts';
import { startThrowAway } from './throw-away.ts';
import { findTools, type MyTools } from './tools.ts';

interface Place {
  readonly access: MyAccess;
  readonly tools: MyTools;
  readonly own: boolean;
  called(database: string): string;
  /** Resolves when a server of its own is gone. */
  readonly ended?: Promise<unknown> | undefined;
  end(): Promise<void>;
}

export const SCRATCH_KIND = 'my';

interface Making {
  readonly deps: SqlDeps;
  readonly source: SourceOf<'mysql'>;
  readonly copy: SealedCopy;
  readonly about: About;
  readonly folder: ScratchFolder;
  readonly beside: Beside;
}

export async function makeSandbox(
  {
    deps,
    source,
    copy,
    scratch,
    owner,
    beside,
  }: Omit<Making, 'about' | 'folder'> & { readonly scratch: string; readonly owner: string },
  doing: Doing,
): Promise<Sandbox> {
  const about = await readAbout(copy, doing);
  const bytes = copy.manifest.parts.reduce((sum, part) => sum + part.bytes, 0);
  const folder = await makeScratch(scratch, { kind: SCRATCH_KIND, owner, room: bytes });
  let place: Place | undefined;
  const end = async (): Promise<void> => {
    await place?.end();
    await folder.remove();
  };
  try {
    const restore = await lookAtLayer('restore', async () => {
      const notes: string[] = [];
      const there = await makePlace({ deps, source, copy, about, folder, beside }, doing);
      place = there;
      const loading = { copy, access: there.access, tools: there.tools, programs: deps.programs };
      if (there.own && copy.manifest.parts.some(({ name }) => name === 'globals.sql'))
        await runScript(loading, 'globals.sql', undefined, doing).catch((thrown: unknown) => {
          const { code, message } = StewardError.from(thrown);
          // Ways of signing in that this server has no plugin for say nothing of the data.
          if (code !== 'VERIFICATION_FAILED' && code !== 'FORBIDDEN') throw thrown;
          notes.push(`not all users could be made: ${message}`);
        });
      for (const database of about.databases) {
        await loadDatabase(loading, database, there.called(database.name), doing);
        // Where a server is its own, nothing of it ever runs by itself.
        if (there.own && database.events !== null) await runScript(loading, database.events, database.name, doing);
      }
      const where = there.own ? 'a throw-away server' : 'throw-away databases on its own server';
      return {
        ok: true,
        statement: `${[`${about.databases.length} databases were restored into ${where}`, ...notes].join('; ')}.`,
        evidence: { databases: about.databases.map(({ name }) => name), notes },
      };
    });
    return { ...whatItAnswers({ source, copy, about }, place), restore, end };
  } catch (thrown) {
    await end();
    throw thrown;
  }
}

function whatItAnswers(
  { source, copy, about }: Pick<Making, 'source' | 'copy' | 'about'>,
  place: Place | undefined,
): Pick<Sandbox, 'content' | 'assertions' | 'environment' | 'ended' | 'standIn'> {
  const main = about.databases[0]?.name ?? '';
  const held = (): Place => {
    if (place) return place;
    throw new StewardError('PRECONDITION_FAILED', 'Nothing was restored, so nothing can be asked of it.');
  };
  return {
    content: (doing) =>
      lookAtLayer('content', async () => {
        const { access, called } = held();
        const found = [];
        for (const database of about.databases)
          found.push(...(await countDatabase(access, called(database.name), database, doing)));
        const comparison = await compareContents(
          readContents(copy, doing),
          found.toSorted((a, b) => byName(a.name, b.name)),
        );
        return { ...judge(comparison, 'tables'), evidence: evidenceOf(comparison) };
      }),
    assertions: (doing) =>
      askAssertions(
        source.assertions,
        async ({ database = main, sql, timeout }) => {
          if (!about.databases.some(({ name }) => name === database))
            throw new StewardError('NOT_FOUND', `The copy has no database ${dotted(database)}.`);
          const { access, called } = held();
          await using session = await openSession(access, called(database), doing);
          if (about.flavor === 'mariadb') await session.rows(`set session max_statement_time = ${ms(timeout) / 1000}`);
          await session.rows('start transaction read only');
          const [row] = await session.rows(sql);
          return row && Object.values(row)[0];
        },
        { isOfData, signal: doing.signal },
      ),
    environment: place
      ? {
          STEWARD_SANDBOX_HOST: place.access.socket ?? place.access.host,
          STEWARD_SANDBOX_PORT: String(place.access.port),
          STEWARD_SANDBOX_USER: place.access.user,
          STEWARD_SANDBOX_PASSWORD: place.access.password ?? '',
          STEWARD_SANDBOX_DATABASE: place.called(main),
        }
      : {},
    ended: place?.ended,
    standIn: place && {
      own: place.own,
      source: place.own ? reachedAt(source, place.access) : source,
      called: (database) =>
        about.databases.some(({ name }) => name === database) ? place.called(database) : undefined,
    },
  };
}

/** The same source, where a throw-away server has it. */
function reachedAt(source: SourceOf<'mysql'>, { host, port, user, tls, ca }: MyAccess): SourceOf<'mysql'> {
  const { password: _, container: __, ...rest } = source;
  return { ...rest, host, port, user, tls, ca };
}

/** A server of its own; where this machine has none to start, databases under names that no live one has. */
async function makePlace({ deps, source, copy, about, folder, beside }: Making, doing: Doing): Promise<Place> {
  const tools = await findTools(deps.programs, about.flavor, { folders: deps.folders, signal: doing.signal });
  if (tools.server) {
    // Others may have their disk in the same place.
    await assertRoomIn(folder.path, restoredBytes(about.databases, copy.manifest));
    const made = {
      folder,
      server: tools.server,
      lowerCase: about.lowerCase,
      programs: deps.programs,
      account: await deps.account(),
    };
    const { access, ended, end } = await startThrowAway(made, doing);
    return { access, tools, own: true, called: (database) => database, ended, end };
  }
  if (beside === 'never') throw notBeside(about.flavor === 'mariadb' ? 'MariaDB' : 'MySQL');
  const access = await accessTo(source, deps);
  await using session = await openSession(access, undefined, doing);
  const { folder: where, bytes: free } = await freeOn(session);
  assertRoomBeside({
    beside,
    server: `${access.host}:${access.port}`,
    bytes: restoredBytes(about.databases, copy.manifest),
    free: free === undefined ? undefined : { folder: where, bytes: free },
    hint: "Install the server programs on this machine, which then starts one of its own, or let MariaDB tell: INSTALL SONAME 'disks', and GRANT FILE to the user of this source.",
  });
  const names = new Map(
    about.databases.map(({ name }) => [name, `${SCRATCH_PREFIX}${randomBytes(6).toString('hex')}`]),
  );
  await recordBorrowed(folder.path, source, [...names.values()]);
  return {
    access,
    tools,
    own: false,
    called: (database) => names.get(database) ?? '',
    end: () => dropScratch(access, [...names.values()], { signal: AbortSignal.timeout(60_000) }),
  };
}

/** Removes throw-away databases, known by their prefix, and no other. */
export async function dropScratch(access: MyAccess, names: readonly string[], doing: Doing): Promise<void> {
  await using session = await openSession(access, undefined, doing);
  for (const name of names)
    if (name.startsWith(SCRATCH_PREFIX)) await session.rows(`drop database if exists ${identifier(name)}`);
}

export function sweepSandboxes(
  deps: SqlDeps,
  owners: ReadonlySet<string> | 'all-dead',
  scratch: string,
  doing: Doing,
): Promise<readonly string[]> {
  return sweepScratch(scratch, SCRATCH_KIND, owners, async (folder) => {
    await endWorkersOf(join(folder, 'data'), 'SIGKILL');
    const borrowed = await borrowedIn(folder);
    if (borrowed === undefined) return;
    await dropScratch(await accessTo(MysqlSource.parse(borrowed.source), deps), borrowed.databases, doing);
  });
}
