import { randomBytes } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ContentItem } from '../../../core/backup/copy.ts';
import type { RestoreTarget, Restored, SealedCopy } from '../../../core/backup/reader.ts';
import type { SourceOf } from '../../../core/backup/source.ts';
import type { Doing } from '../../../core/backup/store.ts';
import { StewardError } from '../../../core/errors.ts';
import { recordBorrowed } from '../borrowed.ts';
import { compareContents, readContents, tellComparison } from '../contents.ts';
import { beforeName, dotted } from '../names.ts';
import { makeScratch } from '../scratch.ts';
import { taken } from '../taken.ts';
import { type About, type AboutDatabase, mainDatabase, readAbout } from './about.ts';
import { accessTo, identifier, literal, type PgAccess, type PgSession } from './access.ts';
import { inOrder } from './counting.ts';
import type { SqlDeps } from '../sql-deps.ts';
import { createDatabase, fetchDump, loadDatabase, type Loading } from './load.ts';
import { lookAtServer, openServer, type PgServer } from './look.ts';
import { remarkIn, type Remark, remarkText, restoredText, SCRATCH_PREFIX } from './ours.ts';
import { dropScratch } from './drop-scratch.ts';
import { SCRATCH_KIND } from './sandbox.ts';
import { readingFor } from './early-rows.ts';
import type { FindTools } from './tools.ts';

export interface Wanted {
  readonly about: AboutDatabase;
  readonly to: string;
}

/** Which databases of the copy go where. */
export function wantedOf({ databases }: About, to: RestoreTarget): Wanted[] {
  if (to.kind === 'original') return databases.map((about) => ({ about, to: about.name }));
  if (to.kind === 'folder')
    throw new StewardError('INPUT_INVALID', 'A copy of PostgreSQL is restored into a database, not into a folder.', {
      hint: 'Name a database, or take the parts of the copy out of its repository as files.',
    });
  const about =
    to.database === undefined ? mainDatabase(databases) : databases.find(({ name }) => name === to.database);
  if (!about) {
    const there = databases.map(({ name }) => dotted(name)).join(', ');
    throw new StewardError('NOT_FOUND', `The copy has no database ${to.database}; it has ${there}.`);
  }
  if (to.database === undefined && databases.filter(({ name }) => name !== 'postgres').length > 1)
    throw new StewardError(
      'INPUT_INVALID',
      `The copy has ${databases.length} databases; say which is restored as ${to.name}.`,
      {
        hint: `It has ${databases.map(({ name }) => dotted(name)).join(', ')}.`,
      },
    );
  if (
    Buffer.byteLength(to.name) > NAME_BYTES ||
    to.name === '' ||
    to.name.includes('\0') ||
    to.name.startsWith(SCRATCH_PREFIX) ||
    /^template[01]$/.test(to.name)
  )
    throw new StewardError('INPUT_INVALID', `A database cannot be restored as '${to.name}'.`, {
      hint: `Choose a name of at most ${NAME_BYTES} bytes.`,
    });
  return [{ about, to: to.name }];
}
const NAME_BYTES = 63;

export async function existing(session: PgSession, names: readonly string[]): Promise<string[]> {
  const found = await session.rows<{ name: string }>(
    'select datname as name from pg_catalog.pg_database where datname = any($1) order by 1',
    [names],
  );
  return found.map(({ name }) => name);
}

/**
 * Restores beside what is there, looks at it, and only then changes names, all of them in one transaction: whoever looks sees
 * the old databases or the restored ones. What was there before stays, under a name with the time.
 */
export async function restoreCopy(
  {
    deps,
    find,
    source,
    copy,
    to,
  }: {
    readonly deps: SqlDeps;
    readonly find: FindTools;
    readonly source: SourceOf<'postgres'>;
    readonly copy: SealedCopy;
    readonly to: RestoreTarget;
  },
  doing: Doing,
): Promise<Restored> {
  const startedAt = performance.now();
  const about = await readAbout(copy, doing);
  const wanted = wantedOf(about, to);
  const access = await accessTo(source, deps);
  const fresh = to.kind === 'database';
  const what = wanted.map(({ to: name }) => `database ${dotted(name)}`);
  for (const { to: name } of fresh ? wanted : [])
    if (await madeBefore({ source, access, name, copy: copy.manifest.copy }, doing))
      return { what, kept: [], durationMs: performance.now() - startedAt };
  const server = await lookAtServer(source, access, doing);
  const tools = await find({ server: server.major, own: false }, doing);
  const bytes = copy.manifest.parts.reduce((sum, part) => sum + part.bytes, 0);
  const folder = await makeScratch(deps.scratch, { kind: SCRATCH_KIND, owner: copy.manifest.copy, room: bytes });
  const beside: { readonly from: string; readonly to: string }[] = [];
  try {
    await removeLeftovers(access, source, wanted, doing);
    for (const { about: database, to: name } of wanted) {
      const from = `${SCRATCH_PREFIX}${randomBytes(6).toString('hex')}`;
      beside.push({ from, to: name });
      await recordBorrowed(
        folder.path,
        source,
        beside.map((one) => one.from),
      );
      await makeBeside({ source, access, server, copy, database, from, to: name }, doing);
      const file = await fetchDump({ copy, about: database, folder: folder.path }, doing);
      const loading = {
        copy,
        about: database,
        access,
        into: from,
        tools,
        programs: deps.programs,
        folder: folder.path,
        owners: server.superuser,
      };
      const found = await loadDatabase(loading, file, doing, readingFor({ ...loading, hash: about.hash }));
      await rm(file, { force: true });
      await proveBeside(loading, found, doing);
    }
    const change = { source, access, moves: beside, copy: copy.manifest.copy, now: deps.now(), fresh };
    const kept = await changeNames(change, doing);
    return { what, kept, durationMs: performance.now() - startedAt };
  } catch (thrown) {
    // Also after a cancel: what was made beside goes, and what was there was not touched.
    await dropScratch(
      access,
      source,
      beside.map(({ from }) => from),
      { signal: AbortSignal.timeout(60_000) },
    ).catch(() => undefined);
    throw thrown;
  } finally {
    await folder.remove();
  }
}

/** Whether this run made it, in an attempt that was killed right after: it is whole then, by one transaction. CONFLICT where somebody else did. */
async function madeBefore(
  {
    source,
    access,
    name,
    copy,
  }: {
    readonly source: SourceOf<'postgres'>;
    readonly access: PgAccess;
    readonly name: string;
    readonly copy: string;
  },
  doing: Doing,
): Promise<boolean> {
  await using session = await openServer(access, source, doing, [name]);
  const [found] = await session.rows<{ comment: string | null }>(
    `select pg_catalog.shobj_description(oid, 'pg_database') as comment from pg_catalog.pg_database where datname = $1`,
    [name],
  );
  if (!found) return false;
  if (doing.owner !== undefined && found.comment === restoredText({ copy, owner: doing.owner })) return true;
  throw taken(name);
}

/** A restore that died left its half-made database; nobody restores to one place twice at once. */
async function removeLeftovers(
  access: PgAccess,
  source: SourceOf<'postgres'>,
  wanted: readonly Wanted[],
  doing: Doing,
): Promise<void> {
  await using session = await openServer(access, source, doing);
  const left = (await remarked(session)).filter(
    ({ name, remark }) =>
      name.startsWith(SCRATCH_PREFIX) &&
      remark?.is === 'restoring' &&
      remark.owner === RESTORE &&
      wanted.some(({ to }) => to === remark.database),
  );
  await dropScratch(
    access,
    source,
    left.map(({ name }) => name),
    doing,
  );
}
const RESTORE = 'restore';

async function makeBeside(
  {
    source,
    access,
    server,
    copy,
    database,
    from,
    to,
  }: {
    readonly source: SourceOf<'postgres'>;
    readonly access: PgAccess;
    readonly server: PgServer;
    readonly copy: SealedCopy;
    readonly database: AboutDatabase;
    readonly from: string;
    readonly to: string;
  },
  doing: Doing,
): Promise<void> {
  await using session = await openServer(access, source, doing);
  const name = identifier(from);
  await createDatabase(session, from, database, { anyLocale: false });
  await session.rows(
    `comment on database ${name} is ${literal(remarkText({ is: 'restoring', database: to, copy: copy.manifest.copy, owner: RESTORE }))}`,
  );
  if (server.superuser) await session.rows(`alter database ${name} owner to ${identifier(database.owner)}`);
  for (const { role, name: setting, value } of database.settings) {
    const whose = role === null ? `alter database ${name}` : `alter role ${identifier(role)} in database ${name}`;
    await session.rows(`${whose} set ${identifier(setting)} to ${listed(setting, value)}`);
  }
  if (database.connections >= 0) await session.rows(`alter database ${name} connection limit ${database.connections}`);
  if (database.grants === null) return;
  await session.rows(`revoke all on database ${name} from public`);
  for (const { role, privilege, grantable } of database.grants)
    await session.rows(
      `grant ${privilege} on database ${name} to ${role === null ? 'public' : identifier(role)}${grantable ? ' with grant option' : ''}`,
    );
}

/** Settings that are lists are kept with their quotes already. */
function listed(setting: string, value: string): string {
  return /^(search_path|temp_tablespaces|.*_preload_libraries|datestyle)$/i.test(setting)
    ? value || "''"
    : literal(value);
}

async function proveBeside(
  { copy, about }: Pick<Loading, 'copy' | 'about'>,
  found: readonly ContentItem[],
  doing: Doing,
): Promise<void> {
  const prefix = `${dotted(about.name)}.`;
  async function* recorded(): ReturnType<typeof readContents> {
    for await (const item of readContents(copy, doing)) if (item.name.startsWith(prefix)) yield item;
  }
  const comparison = await compareContents(recorded(), inOrder(found));
  if (!comparison.ok)
    throw new StewardError(
      'VERIFICATION_FAILED',
      `What was restored of ${dotted(about.name)} is not what was copied. ${tellComparison(comparison, 'tables')}`,
      {
        hint: 'Nothing was replaced. Use another copy.',
      },
    );
}

export interface NameChange {
  readonly source: SourceOf<'postgres'>;
  readonly access: PgAccess;
  readonly moves: readonly { readonly from: string; readonly to: string }[];
  readonly copy: string;
  readonly now: Date;
  /** Nothing is to be there: what is was made meanwhile, and stays. */
  readonly fresh?: boolean | undefined;
}

/** Gives what each of these was replaced by; sessions on them are ended, and new ones wait for the new names. */
export async function changeNames(
  { source, access, moves, copy, now, fresh = false }: NameChange,
  doing: Doing,
): Promise<string[]> {
  // Of one that was made meanwhile no session is ended.
  const concerned = moves.flatMap(({ from, to }) => (fresh ? [from] : [from, to]));
  await using session = await openServer(access, source, doing, concerned);
  await using ender = await openServer(access, source, doing, concerned);
  const there = await existing(
    session,
    moves.map(({ to }) => to),
  );
  if (fresh && there[0] !== undefined) throw taken(there[0]);
  const made = fresh && doing.owner !== undefined ? literal(restoredText({ copy, owner: doing.owner })) : 'null';
  const kept: string[] = [];
  const over = new AbortController();
  const changed = (async (): Promise<void> => {
    try {
      await session.rows('begin');
      for (const { from, to } of moves) {
        if (there.includes(to)) {
          const name = beforeName(to, now, NAME_BYTES);
          kept.push(name);
          const remark: Remark = {
            is: 'kept',
            database: to,
            copy,
            at: now.toISOString(),
            ...(doing.owner !== undefined && { owner: doing.owner }),
          };
          await session.rows(`alter database ${identifier(to)} rename to ${identifier(name)}`);
          await session.rows(`comment on database ${identifier(name)} is ${literal(remarkText(remark))}`);
        }
        await session.rows(`alter database ${identifier(from)} rename to ${identifier(to)}`);
        await session.rows(`comment on database ${identifier(to)} is ${made}`);
      }
      await doing.lease?.();
      await session.rows('commit');
    } finally {
      over.abort();
    }
  })();
  const ended = (async (): Promise<void> => {
    while (!over.signal.aborted) {
      await ender.rows(
        `select pg_catalog.pg_terminate_backend(pid) from pg_catalog.pg_stat_activity
          where datname = any($1) and pid <> pg_catalog.pg_backend_pid()`,
        [concerned],
      );
      await sleep(50);
    }
  })();
  ended.catch(() => undefined);
  await changed;
  await ended;
  return doing.owner === undefined ? kept : await keptFor(session, doing.owner);
}

/** Also what an attempt kept that died before it could say so. */
async function keptFor(session: PgSession, owner: string): Promise<string[]> {
  const found = await remarked(session);
  return found.flatMap(({ name, remark }) => (remark?.is === 'kept' && remark.owner === owner ? [name] : []));
}

async function remarked(session: PgSession): Promise<{ readonly name: string; readonly remark: Remark | undefined }[]> {
  const found = await session.rows<{ name: string; comment: string | null }>(
    `select datname as name, pg_catalog.shobj_description(oid, 'pg_database') as comment from pg_catalog.pg_database order by 1`,
  );
  return found.map(({ name, comment }) => ({ name, remark: remarkIn(comment) }));
}
