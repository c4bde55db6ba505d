import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream, type Stats } from 'node:fs';
import { chmod, chown, lstat, mkdir, realpath, rm, stat, utimes } from 'node:fs/promises';
import { dirname, join, normalize } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { extract, type Header, pack } from 'tar-stream';
import type { ContentItem, Part } from '../../../core/backup/copy.ts';
import type { SealedCopy, SourceFacts } from '../../../core/backup/reader.ts';
import type { Bytes, CopyWriter, Doing } from '../../../core/backup/store.ts';
import { StewardError } from '../../../core/errors.ts';
import { assertRoomIn } from '../scratch.ts';
import type { SourceDeps } from '../deps.ts';
import { askSqlite } from '../sqlite/ask.ts';
import { isBelow } from './restore-plan.ts';

/** The part with the databases of a tree: a tar of them, below the paths that they have on the machine. */
const PART = { name: 'databases.tar', kind: 'databases' } as const;
/** A writer that keeps readers out for longer has its database left out. */
const WAIT_MS = 10_000;
const NOT_COPIED =
  'a SQLite database: it is not in the copy, for as a file it would be of no one instant, and its own backup could not be made';

type Held = NonNullable<Part['holds']>[number];

/** Which databases of a tree a copy has apart from it. */
export function heldIn({ manifest }: Pick<SealedCopy, 'manifest'>): readonly Held[] {
  return manifest.parts.flatMap(({ holds = [] }) => holds);
}

/** One of them as its own backup makes it: of one instant, whole, whatever is written meanwhile. `to` is not there yet. */
async function snapshot(
  from: string,
  to: string,
  { programs }: Pick<SourceDeps, 'programs'>,
  { signal }: Doing,
): Promise<Omit<Held, 'path'>> {
  const { size } = await stat(from);
  await assertRoomIn(dirname(to), 2 * size);
  const job = { do: 'copy', from, to, waitMs: WAIT_MS, counts: false } as const;
  let problem: string | undefined;
  await askSqlite(programs, job, from, signal, (said) => {
    if (said.said === 'checked') [problem] = said.problems;
  });
  if (problem !== undefined) throw new StewardError('VERIFICATION_FAILED', `it is damaged: ${problem}`);
  const hash = createHash('sha256');
  let bytes = 0;
  for await (const chunk of createReadStream(to, { highWaterMark: CHUNK })) {
    hash.update(chunk as Buffer);
    bytes += (chunk as Buffer).length;
  }
  return { bytes, sha256: hash.digest('hex') };
}

export interface CopiedDatabases {
  /** None where none of them could be copied. */
  readonly part: Part | undefined;
  /** Of each, in the order in which they came; one that is not in the copy has no checksum. */
  readonly items: readonly ContentItem[];
}

/** Copies these, one after the other, so that no more than the largest of them needs room. What cannot be copied is told and left out. */
export async function copyDatabases(
  databases: readonly string[],
  writer: CopyWriter,
  { programs, folder }: Pick<SourceDeps, 'programs'> & { readonly folder: string },
  doing: Doing,
  leftOut: (what: SourceFacts['leftOut'][number]) => void,
): Promise<CopiedDatabases> {
  const items: ContentItem[] = [];
  const holds: Held[] = [];
  const staged = join(folder, 'database');
  const tar = pack();
  async function fill(): Promise<void> {
    for (const path of databases) {
      const stats = await lstat(path).catch(() => undefined);
      if (!stats) {
        leftOut({ what: path, why: 'it vanished while it was looked at' });
        continue;
      }
      const copied = await snapshot(path, staged, { programs }, doing).catch((thrown: unknown) => {
        doing.signal.throwIfAborted();
        leftOut({ what: path, why: `${NOT_COPIED}: ${StewardError.from(thrown).message}` });
        return undefined;
      });
      const item = { name: path, attributes: attributesOf(stats) };
      if (copied) {
        await add(path, stats, copied.bytes);
        holds.push({ path, ...copied });
        items.push({ ...item, count: copied.bytes, checksum: copied.sha256 });
      } else items.push({ ...item, count: stats.size, checksum: null });
      await rm(staged, { force: true });
    }
    tar.finalize();
  }
  async function add(path: string, { mode, uid, gid, mtime }: Stats, size: number): Promise<void> {
    const header = { name: path.slice(1), size, mode: mode & 0o7777, uid, gid, mtime };
    await new Promise<void>((resolve, reject) => {
      const entry = tar.entry(header, (error) => (error ? reject(error) : resolve()));
      pipeline(createReadStream(staged, { highWaterMark: CHUNK }), entry).catch(reject);
    });
  }
  const filled = fill().catch((thrown: unknown) => {
    tar.destroy(thrown as Error);
  });
  const part = await writer.part(PART, tar as unknown as Bytes);
  await filled;
  if (holds.length > 0) return { part: { ...part, holds }, items };
  await writer.drop(part.name);
  return { part: undefined, items };
}

function attributesOf({ mode, uid, gid }: Stats): string {
  return `${(mode & 0o7777).toString(8).padStart(4, '0')} ${uid}:${gid}`;
}

/** Puts them below a folder, among the tree that is there already. `only` picks paths, as of the tree. */
export async function unpackDatabases(
  copy: SealedCopy,
  folder: string,
  only: readonly string[] | undefined,
  { signal, ...doing }: Doing,
): Promise<void> {
  const part = copy.manifest.parts.find(({ kind }) => kind === PART.kind);
  if (!part?.holds?.some(({ path }) => isPicked(path, only))) return;
  const root = await realpath(folder);
  const unpacker = extract();
  const flow = pipeline(copy.store.read(copy.location, part, { ...doing, signal }), unpacker, { signal });
  flow.catch(() => undefined);
  try {
    for await (const entry of unpacker) {
      const path = normalize(`/${entry.header.name}`);
      if (isPicked(path, only)) await putBelow(root, path, entry.header, entry as unknown as Readable);
      else entry.resume();
    }
  } finally {
    unpacker.destroy();
  }
  await flow;
}

const isPicked = (path: string, only: readonly string[] | undefined): boolean =>
  only === undefined || only.some((each) => isBelow(path, each));

async function putBelow(root: string, path: string, header: Header, content: Readable): Promise<void> {
  const to = join(root, path);
  await mkdir(dirname(to), { recursive: true });
  // A link in a tree that somebody else made leads nowhere from here.
  if (!isBelow(await realpath(dirname(to)), root))
    throw new StewardError(
      'VERIFICATION_FAILED',
      `${path} of the copy leads out of the folder into which it is unpacked.`,
    );
  await pipeline(content, createWriteStream(to, { flags: 'wx', mode: 0o600 }));
  if (process.getuid?.() === 0) await chown(to, header.uid ?? 0, header.gid ?? 0);
  await chmod(to, (header.mode ?? 0o600) & 0o7777);
  await utimes(to, header.mtime ?? new Date(), header.mtime ?? new Date());
}

/**
 * What is there of a database now, to be compared with the copy: its bytes where they are those of the copy, else what its own backup
 * makes of it, since the same rows may lie otherwise, or in its log.
 */
export async function databaseNow(
  item: ContentItem,
  held: Held,
  { programs, folder }: Pick<SourceDeps, 'programs'> & { readonly folder: string },
  doing: Doing,
): Promise<ContentItem> {
  if (item.checksum === held.sha256) return item;
  const staged = join(folder, 'now');
  try {
    const { bytes, sha256 } = await snapshot(item.name, staged, { programs }, doing);
    return { ...item, count: bytes, checksum: sha256 };
  } catch {
    doing.signal.throwIfAborted();
    return item;
  } finally {
    await rm(staged, { force: true });
  }
}

const CHUNK = 1024 ** 2;
