import { createReadStream, createWriteStream } from 'node:fs';
import { lstat, mkdir, rm, stat, statfs } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { ContentItem, LayerResult } from '../../../core/backup/copy.ts';
import type { RestoreTarget, Sandbox, SealedCopy, SourceReader } from '../../../core/backup/reader.ts';
import type { Assertion, SourceOf } from '../../../core/backup/source.ts';
import type { Doing } from '../../../core/backup/store.ts';
import { ms } from '../../../core/duration.ts';
import { StewardError } from '../../../core/errors.ts';
import { fileError } from '../../files/file-errors.ts';
import { askAssertions } from '../assertions.ts';
import { compareContents, judge, partOf, readContents, writeContents } from '../contents.ts';
import { keptAs, type SourceDeps, stampOf } from '../deps.ts';
import { lookAtLayer } from '../layer.ts';
import { byName } from '../order.ts';
import { makeScratch, type ScratchFolder, sweepScratch } from '../scratch.ts';
import { askSqlite } from './ask.ts';
import { tellHolders } from './holders.ts';
import { putBack } from './put-back.ts';

export interface SqliteReaderOptions extends SourceDeps {
  /** How long a writer that keeps readers out is waited for. */
  readonly waitMs?: number | undefined;
}

/** By SQLite's own online backup: one instant, whatever is written meanwhile, and never a copy of the live file. */
export function createSqliteReader({
  programs,
  scratch,
  now,
  waitMs = 60_000,
}: SqliteReaderOptions): SourceReader<'sqlite'> {
  const imageOf = (copy: SealedCopy) => partOf(copy, ({ kind }) => kind === 'image', 'the database itself');

  async function problemsOf(path: string, about: string, { signal }: Doing): Promise<readonly string[]> {
    let problems: readonly string[] = [];
    await askSqlite(programs, { do: 'check', path }, about, signal, (said) => {
      if (said.said === 'checked') ({ problems } = said);
    });
    return problems;
  }

  async function countedIn(path: string, live: boolean, { signal }: Doing): Promise<ContentItem[]> {
    const items: ContentItem[] = [];
    await askSqlite(programs, { do: 'count', path, live, waitMs }, path, signal, (said) => {
      if (said.said === 'item') items.push(said.item);
    });
    return items.toSorted(inOrder);
  }

  async function fetched(copy: SealedCopy, folder: string, doing: Doing): Promise<string> {
    const part = imageOf(copy);
    const path = join(folder, part.name);
    try {
      await pipeline(
        copy.store.read(copy.location, part, doing),
        createWriteStream(path, { mode: 0o600, flags: 'wx' }),
        {
          signal: doing.signal,
        },
      );
    } catch (thrown) {
      throw fileError(path, thrown);
    }
    return path;
  }

  const within = async <T>(owner: string, room: number, work: (folder: ScratchFolder) => Promise<T>): Promise<T> => {
    const folder = await makeScratch(scratch, { kind: 'sqlite', owner, room });
    try {
      return await work(folder);
    } finally {
      await folder.remove();
    }
  };

  return {
    kind: 'sqlite',

    async examine({ path }) {
      const tools = { sqlite: process.versions['sqlite'] ?? '' };
      const nothing = { parts: [], leftOut: [], estimatedBytes: undefined, tools };
      try {
        const found = await stat(path);
        if (!found.isFile())
          return { ...nothing, problem: { message: `${path} is no file.`, hint: 'Name the database file itself.' } };
        const { size: log = 0 } = (await stat(`${path}-wal`).catch(() => undefined)) ?? {};
        return { parts: [basename(path)], leftOut: [], estimatedBytes: found.size + log, tools };
      } catch (thrown) {
        const { message, hint = 'Correct the path of this source.' } = fileError(path, thrown);
        return { ...nothing, problem: { message, hint } };
      }
    },

    async copy(source, writer, doing) {
      const { path } = source;
      const found = await stat(path).catch((thrown: unknown) => {
        throw fileError(path, thrown);
      });
      return within(source.name, found.size, async (folder) => {
        const name = partName(path);
        const to = join(folder.path, name);
        let snapshotAt = now();
        let problems: readonly string[] = [];
        const items: ContentItem[] = [];
        const job = { do: 'copy', from: path, to, waitMs, counts: true } as const;
        const { version } = await askSqlite(programs, job, path, doing.signal, (said) => {
          if (said.said === 'progress') doing.progress?.({ bytes: said.bytes, message: 'copying the database' });
          if (said.said === 'copied') snapshotAt = new Date(said.at);
          if (said.said === 'checked') ({ problems } = said);
          if (said.said === 'item') items.push(said.item);
        });
        const [problem] = problems;
        if (problem !== undefined)
          throw new StewardError(
            'VERIFICATION_FAILED',
            `${path} is damaged, and is not copied as if it were good: ${problem}`,
            {
              hint: 'Restore its last proven copy, or save what can be read: sqlite3 old.db .recover | sqlite3 new.db',
            },
          );
        const image = await writer.part({ name, kind: 'image' }, createReadStream(to, { highWaterMark: CHUNK }));
        const { part, contents } = await writeContents(writer, items.toSorted(inOrder));
        const { mode, uid, gid } = found;
        return {
          snapshotAt,
          parts: [{ ...image, file: { mode: mode & 0o7777, uid, gid } }, part],
          contents,
          leftOut: [],
          tools: { sqlite: version },
        };
      });
    },

    structure: (copy, doing) =>
      lookAtLayer('structure', () =>
        within(copy.manifest.copy, imageOf(copy).bytes, async (folder) => {
          const problems = await problemsOf(await fetched(copy, folder.path, doing), imageOf(copy).name, doing);
          return {
            ok: problems.length === 0,
            statement:
              problems.length === 0 ? 'PRAGMA integrity_check finds nothing wrong.' : `It is damaged: ${problems[0]}`,
          };
        }),
      ),

    async sandbox(source, copy, { scratch: place, owner }, doing) {
      const folder = await makeScratch(place, { kind: 'sqlite', owner, room: imageOf(copy).bytes });
      let path: string | undefined;
      const restore = await lookAtLayer('restore', async () => {
        path = await fetched(copy, folder.path, doing);
        const items = await countedIn(path, false, doing);
        return { ok: true, statement: `It opens, with ${items.length - 1} tables.` };
      }).catch(async (thrown: unknown) => {
        await folder.remove();
        throw thrown;
      });
      return sandboxOf({ source, copy, folder, restore, path });
    },

    async occupied({ path }, copy, to) {
      if (to.kind === 'database') throw noDatabase();
      const there = to.kind === 'folder' ? join(to.path, imageOf(copy).name) : path;
      const found = await lstat(there).catch(() => undefined);
      if (!found) return [];
      const told = to.kind === 'original' ? await tellHolders([path]) : [];
      return told.some((each) => each.startsWith(`${there},`)) ? told : [there, ...told];
    },

    async restore({ path }, copy, to, doing) {
      const startedAt = performance.now();
      const target = targetOf(path, imageOf(copy).name, to);
      const part = imageOf(copy);
      if (to.kind === 'folder') {
        await mkdir(to.path, { recursive: true });
        if (await lstat(target).catch(() => undefined))
          throw new StewardError('CONFLICT', `${target} is there already.`, {
            hint: 'Nothing was replaced. Choose an empty folder.',
          });
      }
      await assertRoom(dirname(target), part.bytes);
      const kept = await within(copy.manifest.copy, 0, async (folder) => {
        const content = copy.store.read(copy.location, part, doing);
        return putBack(target, content, part.file, {
          stamp: stampOf(now()),
          keptAs: keptAs(doing, now()),
          staged: (staged) => folder.alsoRemove(staged),
          settle: async () =>
            void (await askSqlite(programs, { do: 'settle', path: target }, target, doing.signal, () => undefined)),
          lease: doing.lease,
        });
      });
      return { what: [target], durationMs: performance.now() - startedAt, ...kept };
    },

    async discard({ path }, kept) {
      const removed: string[] = [];
      for (const each of kept) {
        // What a restore set aside is called so, and nothing else is removed by this.
        if (!each.startsWith(`${path}.before-`) || !(await lstat(each).catch(() => undefined))) continue;
        await rm(each);
        removed.push(each);
      }
      return removed;
    },

    async *contents({ path }, doing) {
      yield* await countedIn(path, true, doing);
    },

    sweep: (owners, place) => sweepScratch(place, 'sqlite', owners),
  };

  async function ask(path: string, { sql, timeout }: Assertion, signal: AbortSignal): Promise<unknown> {
    let answer: unknown;
    let refusal: StewardError | undefined;
    const job = { do: 'ask', path, sql, withinMs: ms(timeout) } as const;
    await askSqlite(programs, job, path, signal, (said) => {
      if (said.said === 'answered') ({ answer } = said);
      if (said.said === 'refused') refusal = new StewardError(said.ofData ? OF_DATA : 'PROGRAM_FAILED', said.message);
    });
    if (refusal) throw refusal;
    return answer;
  }

  function sandboxOf({
    source,
    copy,
    folder,
    restore,
    path,
  }: {
    source: SourceOf<'sqlite'>;
    copy: SealedCopy;
    folder: ScratchFolder;
    restore: LayerResult;
    path: string | undefined;
  }): Sandbox {
    return {
      restore,
      content: (doing) =>
        lookAtLayer('content', async () => {
          if (path === undefined) return { ok: false, statement: 'There is nothing to count: it was not restored.' };
          const comparison = await compareContents(readContents(copy, doing), await countedIn(path, false, doing));
          return judge(comparison, 'tables');
        }),
      assertions: async ({ signal }) =>
        path === undefined
          ? { layers: [] }
          : await askAssertions(source.assertions, (assertion) => ask(path, assertion, signal), {
              isOfData: ({ code }) => code === OF_DATA || code === 'VERIFICATION_FAILED',
              signal,
            }),
      environment: path === undefined ? {} : { STEWARD_SANDBOX_PATH: path },
      standIn:
        path === undefined ? undefined : { own: true, source: { ...source, path }, called: (database) => database },
      end: () => folder.remove(),
    };
  }
}

/** The code of a refusal that is about what is there. */
const OF_DATA = 'CONFLICT';

const CHUNK = 1024 * 1024;
const inOrder = (one: ContentItem, other: ContentItem): number => byName(one.name, other.name);

function targetOf(original: string, name: string, to: RestoreTarget): string {
  if (to.kind === 'database') throw noDatabase();
  return to.kind === 'folder' ? join(to.path, name) : original;
}

function noDatabase(): StewardError {
  return new StewardError(
    'INPUT_INVALID',
    'A SQLite database is a file: it is restored to its place or into a folder.',
    {
      hint: 'Name a folder instead of a database.',
    },
  );
}

async function assertRoom(folder: string, bytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(folder).catch((thrown: unknown) => {
    throw fileError(folder, thrown);
  });
  if (bavail * bsize < bytes)
    throw new StewardError('DISK_FULL', `The disk of ${folder} has not the ${bytes} bytes free that the copy needs.`, {
      hint: 'Free some space there, or restore into another folder. Nothing was changed.',
    });
}

/** Its own name, where a repository can take that. */
function partName(path: string): string {
  return basename(path)
    .replaceAll(/[^\w.-]/g, '_')
    .replace(/^[.-]/, '_');
}
