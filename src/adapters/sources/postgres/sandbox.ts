import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { ContentItem } from '../../../core/backup/copy.ts';
import type { Sandbox, SandboxPlace } from '../../../core/backup/reader.ts';
import { PostgresSource } from '../../../core/backup/source.ts';
import type { Doing } from '../../../core/backup/store.ts';
import { ms } from '../../../core/duration.ts';
import { StewardError } from '../../../core/errors.ts';
import { askAssertions } from '../assertions.ts';
import { borrowedIn } from '../borrowed.ts';
import { compareContents, judge, readContents } from '../contents.ts';
import { evidenceOf } from '../evidence.ts';
import { together } from '../flow.ts';
import { lookAtLayer } from '../layer.ts';
import { dotted } from '../names.ts';
import { makeScratch, sweepScratch } from '../scratch.ts';
import type { SqlDeps } from '../sql-deps.ts';
import { endWorkersOf } from '../throw-away.ts';
import { type AboutDatabase, mainDatabase, readAbout } from './about.ts';
import { accessTo, identifier, literal, openSession } from './access.ts';
import { inOrder } from './counting.ts';
import { dropScratch } from './drop-scratch.ts';
import { isOfData } from './errors.ts';
import { createDatabase, fetchDump, loadDatabase } from './load.ts';
import { openServer } from './look.ts';
import { remarkText } from './ours.ts';
import { makePlace, type Making, type Place } from './place.ts';
import { readingFor } from './early-rows.ts';
import { countDatabase } from './rows.ts';

export const SCRATCH_KIND = 'pg';

export async function makeSandbox(
  { scratch, prove = false, ...asked }: Omit<Making, 'about' | 'folder'> & Pick<SandboxPlace, 'scratch' | 'prove'>,
  doing: Doing,
): Promise<Sandbox> {
  const { copy, owner } = asked;
  const about = await readAbout(copy, doing);
  const bytes = copy.manifest.parts.reduce((sum, part) => sum + part.bytes, 0);
  const folder = await makeScratch(scratch, { kind: SCRATCH_KIND, owner, room: bytes });
  const making: Making = { ...asked, about, folder };
  const counted: Counted = new Map();
  let place: Place | undefined;
  const end = async (): Promise<void> => {
    await place?.end();
    await folder.remove();
  };
  try {
    const notes: string[] = [];
    const restore = await lookAtLayer('restore', async () => {
      const [first, ...others] = about.databases;
      const [file] = await together(doing, [
        async (now) => first && (await fetchDump({ copy, about: first, folder: folder.path }, now)),
        // Its life is as long as that of the sandbox, not of what goes on beside its start.
        async () => void (place = await makePlace(making, notes, doing)),
      ]);
      const there = place;
      if (!there) throw new StewardError('INTERNAL', 'A sandbox was made without a place.');
      const restoring = { ...making, place: there, notes, counted: prove ? counted : undefined };
      if (first && file !== undefined) await restoreDatabase(restoring, first, file, doing);
      for (const database of others) {
        const dump = await fetchDump({ copy, about: database, folder: folder.path }, doing);
        await restoreDatabase(restoring, database, dump, doing);
      }
      const where = there.owners
        ? 'a throw-away server'
        : `throw-away databases on ${there.source === asked.source ? 'its own server' : `${there.access.host}:${there.access.port}`}`;
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
    return { ...whatItAnswers(making, () => place, counted), restore, end };
  } catch (thrown) {
    await end();
    throw thrown;
  }
}

/** What was counted while it was restored, by database. */
type Counted = Map<string, readonly ContentItem[]>;

async function restoreDatabase(
  {
    deps,
    copy,
    folder,
    owner,
    about: { hash },
    place: { access, source, tools, owners, called },
    notes,
    counted,
  }: Making & { readonly place: Place; readonly notes: string[]; readonly counted: Counted | undefined },
  about: AboutDatabase,
  dump: string,
  doing: Doing,
): Promise<void> {
  await using session = await openServer(access, source, doing);
  const into = called(about.name);
  if (!(await createDatabase(session, into, about, { anyLocale: true })))
    notes.push(`${dotted(about.name)} sorts by ${about.collate}, which this machine does not know: here it sorts by C`);
  await session.rows(
    `comment on database ${identifier(into)} is ${literal(remarkText({ is: 'restoring', database: about.name, copy: copy.manifest.copy, owner }))}`,
  );
  const loading = { copy, about, access, into, tools, programs: deps.programs, folder: folder.path, owners };
  const reading = readingFor({ ...loading, hash });
  const items = await loadDatabase(loading, dump, doing, {
    early: async (loaded, now) => (counted ? await reading.early(loaded, now) : new Map()),
    // What could not be counted here is once more, where why it cannot be belongs to the content.
    all: async (early, now) => counted && (await reading.all(early, now).catch(() => undefined)),
  });
  if (items) counted?.set(about.name, items);
  await rm(dump, { force: true });
}

function whatItAnswers(
  { deps, source, copy, about }: Making,
  place: () => Place | undefined,
  counted: Counted,
): Pick<Sandbox, 'content' | 'assertions' | 'environment' | 'ended' | 'standIn'> {
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
          found.push(
            ...(counted.get(one.name) ?? (await countDatabase({ ...counting, programs: deps.programs }, doing))),
          );
        }
        const comparison = await compareContents(readContents(copy, doing), inOrder(found));
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
          await session.rows('begin transaction read only');
          await session.rows(`set local statement_timeout = ${ms(timeout)}`);
          await session.rows('set local search_path = public');
          // A list of values, if an empty one: so it is sent as one statement, which cannot end the transaction.
          const [row] = await session.rows(sql, []);
          return row && Object.values(row)[0];
        },
        { isOfData, signal: doing.signal },
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
    ended: there?.ended,
    standIn: there && {
      own: there.owners,
      source: there.source,
      called: (database) =>
        about.databases.some(({ name }) => name === database) ? there.called(database) : undefined,
    },
  };
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
    await dropScratch(await accessTo(known, deps), known, borrowed.databases, doing);
  });
}
