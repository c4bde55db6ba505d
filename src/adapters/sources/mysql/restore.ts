import { randomBytes, randomUUID } from 'node:crypto';
import type { RestoreTarget, Restored, SealedCopy } from '../../../core/backup/reader.ts';
import type { SourceOf } from '../../../core/backup/source.ts';
import type { Doing } from '../../../core/backup/store.ts';
import { StewardError } from '../../../core/errors.ts';
import { recordBorrowed } from '../borrowed.ts';
import { compareContents, readContents, tellComparison } from '../contents.ts';
import { byName } from '../order.ts';
import { beforeName, dotted } from '../names.ts';
import { makeScratch } from '../scratch.ts';
import { taken } from '../taken.ts';
import type { SqlDeps } from '../sql-deps.ts';
import { type About, type AboutDatabase, readAbout } from './about.ts';
import { accessTo, identifier, type MyAccess, openSession } from './access.ts';
import { dropHalf, exchange, exists, type Half, keptFor, keptIn, sayWhole } from './exchange.ts';
import { countDatabase, loadDatabase, runScript } from './load.ts';
import { SCRATCH_PREFIX } from './look.ts';
import { dropScratch, SCRATCH_KIND } from './sandbox.ts';
import { findTools } from './tools.ts';

const NAME_LENGTH = 64;

/** Which databases of the copy go where. */
export function wantedOf(
  { databases }: About,
  to: RestoreTarget,
): { readonly about: AboutDatabase; readonly to: string }[] {
  if (to.kind === 'original') return databases.map((about) => ({ about, to: about.name }));
  if (to.kind === 'folder')
    throw new StewardError(
      'INPUT_INVALID',
      'A copy of MariaDB or MySQL is restored into a database, not into a folder.',
      {
        hint: 'Name a database, or take the parts of the copy out of its repository as files.',
      },
    );
  const there = databases.map(({ name }) => dotted(name)).join(', ');
  const about = to.database === undefined ? databases[0] : databases.find(({ name }) => name === to.database);
  if (!about) throw new StewardError('NOT_FOUND', `The copy has no database ${to.database}; it has ${there}.`);
  if (to.database === undefined && databases.length > 1)
    throw new StewardError(
      'INPUT_INVALID',
      `The copy has ${databases.length} databases; say which is restored as ${to.name}.`,
      { hint: `It has ${there}.` },
    );
  const own =
    /^(mysql|sys|information_schema|performance_schema)$/i.test(to.name) || to.name.startsWith(SCRATCH_PREFIX);
  if (own || to.name.length > NAME_LENGTH || to.name === '' || to.name.endsWith(' '))
    throw new StewardError('INPUT_INVALID', `A database cannot be restored as '${to.name}'.`, {
      hint: `Choose a name of at most ${NAME_LENGTH} characters.`,
    });
  return [{ about, to: to.name }];
}

/** Restores beside what is there, looks at it, and only then exchanges the tables, database by database. */
export async function restoreCopy(
  {
    deps,
    source,
    copy,
    to,
  }: {
    readonly deps: SqlDeps;
    readonly source: SourceOf<'mysql'>;
    readonly copy: SealedCopy;
    readonly to: RestoreTarget;
  },
  doing: Doing,
): Promise<Restored> {
  const startedAt = performance.now();
  const about = await readAbout(copy, doing);
  const wanted = wantedOf(about, to);
  const access = await accessTo(source, deps);
  const tools = await findTools(deps.programs, about.flavor, { folders: deps.folders, signal: doing.signal });
  const loading = { copy, access, tools, programs: deps.programs };
  const beside = wanted.map((one) => ({ ...one, from: `${SCRATCH_PREFIX}${randomBytes(6).toString('hex')}` }));
  const half =
    to.kind === 'database' ? { restoring: copy.manifest.copy, owner: doing.owner ?? randomUUID() } : undefined;
  if (half) await assertFree(access, wanted, half, doing);
  const folder = await makeScratch(deps.scratch, { kind: SCRATCH_KIND, owner: copy.manifest.copy });
  try {
    await recordBorrowed(
      folder.path,
      source,
      beside.map(({ from }) => from),
    );
    for (const { about: database, from } of beside) {
      await loadDatabase(loading, database, from, doing);
      await proveBeside(copy, access, database, from, doing);
    }
    const kept: string[] = [];
    await using session = await openSession(access, undefined, doing);
    const now = deps.now();
    for (const { about: database, from, to: name } of beside) {
      const keep = beforeName(name, now, NAME_LENGTH);
      const old = await exchange(session, {
        from,
        to: name,
        keep,
        copy: copy.manifest.copy,
        at: now.toISOString(),
        owner: doing.owner,
        lease: doing.lease,
        half,
      });
      if (old !== undefined) kept.push(old);
      if (database.events !== null) await runScript(loading, database.events, name, doing);
      if (half) await sayWhole(session, name);
    }
    return {
      what: wanted.map((one) => `database ${dotted(one.to)}`),
      kept: doing.owner === undefined ? kept : await keptFor(session, doing.owner),
      durationMs: performance.now() - startedAt,
    };
  } catch (thrown) {
    // One whose tables were moved already is gone; what was there before is where it was, or kept.
    const names = beside.map(({ from }) => from);
    const ending = { signal: AbortSignal.timeout(60_000) };
    await dropScratch(access, names, ending).catch(() => undefined);
    if (half) await dropHalves(access, wanted, half, ending).catch(() => undefined);
    throw thrown;
  } finally {
    await folder.remove();
  }
}

/** Where a database is to be new: what another attempt of this run left half goes, and anything else stays. */
async function assertFree(
  access: MyAccess,
  wanted: readonly { readonly to: string }[],
  half: Half,
  doing: Doing,
): Promise<void> {
  await dropHalves(access, wanted, half, doing);
  await using session = await openSession(access, undefined, doing);
  for (const { to } of wanted) if (await exists(session, to)) throw taken(to);
}

async function dropHalves(
  access: MyAccess,
  wanted: readonly { readonly to: string }[],
  half: Half,
  doing: Doing,
): Promise<void> {
  await using session = await openSession(access, undefined, doing);
  for (const { to } of wanted) await dropHalf(session, to, half);
}

async function proveBeside(
  copy: SealedCopy,
  access: MyAccess,
  database: AboutDatabase,
  from: string,
  doing: Doing,
): Promise<void> {
  const found = await countDatabase(access, from, database, doing);
  const prefix = `${dotted(database.name)}.`;
  async function* recorded(): ReturnType<typeof readContents> {
    for await (const item of readContents(copy, doing)) if (item.name.startsWith(prefix)) yield item;
  }
  const comparison = await compareContents(
    recorded(),
    found.toSorted((a, b) => byName(a.name, b.name)),
  );
  if (!comparison.ok)
    throw new StewardError(
      'VERIFICATION_FAILED',
      `What was restored of ${dotted(database.name)} is not what was copied. ${tellComparison(comparison, 'tables')}`,
      {
        hint: 'Nothing was replaced. Use another copy.',
      },
    );
}

/** Puts back what restores kept; what was restored is kept in its turn. */
export async function undoRestore(
  deps: SqlDeps,
  source: SourceOf<'mysql'>,
  names: readonly string[],
  doing: Doing,
): Promise<Restored> {
  const startedAt = performance.now();
  await using session = await openSession(await accessTo(source, deps), undefined, doing);
  const now = deps.now();
  const [what, replaced]: [string[], string[]] = [[], []];
  for (const name of names) {
    const kept = (await keptIn(session, name)) ?? notKept(name);
    const keep = beforeName(kept.database, now, NAME_LENGTH);
    const old = await exchange(session, {
      from: name,
      to: kept.database,
      keep,
      copy: kept.copy,
      at: now.toISOString(),
      lease: doing.lease,
    });
    if (old !== undefined) replaced.push(old);
    what.push(`database ${dotted(kept.database)}`);
  }
  return { what, kept: replaced, durationMs: performance.now() - startedAt };
}

export async function discardKept(
  deps: SqlDeps,
  source: SourceOf<'mysql'>,
  names: readonly string[],
  doing: Doing,
): Promise<readonly string[]> {
  await using session = await openSession(await accessTo(source, deps), undefined, doing);
  const removed: string[] = [];
  for (const name of names) {
    // What an attempt before this one removed already is gone, and that is all that is wanted.
    if (!(await exists(session, name))) continue;
    if (!(await keptIn(session, name))) notKept(name);
    await session.rows(`drop database ${identifier(name)}`);
    removed.push(`database ${dotted(name)}`);
  }
  return removed;
}

function notKept(name: string): never {
  throw new StewardError('NOT_FOUND', `${dotted(name)} is no database that a restore kept.`, {
    hint: 'It was removed, renamed or put back already.',
  });
}
