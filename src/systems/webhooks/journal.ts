// What was answered with 202 lies here until the store has it: an append-only file whose records are checked, and one fsync
// for all who wait at that moment.
import { type FileHandle, mkdir, open, readdir, rename, stat, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { Log } from '../../core/log.ts';
import { type Delivery, encode } from './record.ts';
import { readSegment } from './segment.ts';

export interface Journal {
  /** Resolves when it is on disk; rejects with why it cannot be, and then nothing of it is. */
  append(delivery: Delivery): Promise<void>;
  /** What is on disk and was not given yet, oldest first. What it was given for is over with the next call. */
  next(most: number): Promise<readonly Delivery[]>;
  /** Everything that `next` gave is in the store: its files may go. */
  settle(): Promise<void>;
  /** Bytes on disk. */
  bytes(): number;
  /** Called when there is something new to be had from `next`. */
  onNews(listener: () => void): void;
  close(): Promise<void>;
}

export class JournalFull extends Error {}

interface Waiting {
  readonly record: Buffer;
  readonly resolve: () => void;
  readonly reject: (reason: Error) => void;
}

interface Segment {
  readonly path: string;
  /** Bytes that are known to be on disk. Those of a former process: whatever the file has. */
  size: number;
  /** As far as `next` has read. */
  read: number;
  sealed: boolean;
  /** Of a former process, which may have been killed in the middle of a record. */
  readonly former: boolean;
}

const SEGMENT_BYTES = 16 * 1024 * 1024;
const NAME = /^(\d{10})\.journal$/;
const BATCH_BYTES = 4 * 1024 * 1024;
/** The file in use is left for a new one when all of it is in the store and it is so large, or nothing came for a while. */
const WORTH_LEAVING_BYTES = 1024 * 1024;
const QUIET_MS = 2_000;

export async function openJournal({
  folder,
  mostBytes,
  log,
}: {
  readonly folder: string;
  readonly mostBytes: () => number;
  readonly log: Log;
}): Promise<Journal> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const segments: Segment[] = [];
  let number = 0;
  for (const name of (await readdir(folder)).toSorted()) {
    const found = NAME.exec(name);
    if (!found) continue;
    number = Number(found[1]);
    const path = join(folder, name);
    segments.push({ path, size: (await stat(path)).size, read: 0, sealed: true, former: true });
  }

  const waiting: Waiting[] = [];
  let current: { readonly file: FileHandle; readonly segment: Segment } | undefined;
  let writing: Promise<void> | undefined;
  let closed = false;
  let inFlight = 0;
  let lastAppend = 0;
  let news: () => void = () => undefined;

  const total = (): number => segments.reduce((sum, { size }) => sum + size, 0);

  async function begin(): Promise<{ readonly file: FileHandle; readonly segment: Segment }> {
    const path = join(folder, `${String((number += 1)).padStart(10, '0')}.journal`);
    const file = await open(path, 'wx', 0o600);
    // A file is there after a power cut only if its folder is on disk, too.
    await syncFolder(folder);
    const segment: Segment = { path, size: 0, read: 0, sealed: false, former: false };
    segments.push(segment);
    return { file, segment };
  }

  async function seal(): Promise<void> {
    if (!current) return;
    const { file, segment } = current;
    current = undefined;
    segment.sealed = true;
    await file.close();
  }

  async function writeAll(): Promise<void> {
    while (waiting.length > 0) {
      const batch = takeBatch();
      try {
        if (current && current.segment.size >= SEGMENT_BYTES) await seal();
        current ??= await begin();
        const { file, segment } = current;
        const { bytesWritten } = await file.writev(
          batch.map(({ record }) => record),
          segment.size,
        );
        const expected = batch.reduce((sum, { record }) => sum + record.length, 0);
        if (bytesWritten !== expected) throw new Error(`only ${bytesWritten} of ${expected} bytes could be written`);
        await file.datasync();
        segment.size += expected;
        for (const { resolve } of batch) resolve();
        news();
      } catch (thrown) {
        await giveUp();
        for (const { reject } of batch) reject(thrown as Error);
      }
    }
  }

  /** What could not be written is not in the file either; after an fsync that failed nobody knows, so a new one begins. */
  async function giveUp(): Promise<void> {
    if (!current) return;
    const { file, segment } = current;
    await file.truncate(segment.size).catch(() => undefined);
    await seal().catch(() => undefined);
  }

  function takeBatch(): Waiting[] {
    let size = 0;
    let count = 0;
    // At most 1024: the kernel takes no more buffers at once.
    while (count < waiting.length && count < 1024 && size < BATCH_BYTES) size += waiting[count++]?.record.length ?? 0;
    return waiting.splice(0, count);
  }

  function kick(): void {
    writing ??= writeAll().finally(() => {
      writing = undefined;
      if (waiting.length > 0) kick();
    });
  }

  return {
    async append(delivery) {
      if (closed) throw new Error('the journal is closed');
      const record = encode(delivery);
      if (total() + inFlight + record.length > mostBytes())
        throw new JournalFull(`${total()} bytes wait for the store, as much as webhooks.journal allows`);
      inFlight += record.length;
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      waiting.push({ record, resolve, reject });
      lastAppend = performance.now();
      kick();
      await promise.finally(() => (inFlight -= record.length));
    },

    async next(most) {
      const found: Delivery[] = [];
      for (const segment of segments) {
        if (found.length >= most) break;
        if (segment.read >= segment.size) continue;
        const { deliveries, end, damaged } = await readSegment(segment.path, {
          from: segment.read,
          to: segment.size,
          most: most - found.length,
        });
        found.push(...deliveries);
        segment.read = end;
        if (!damaged) continue;
        const lost = segment.size - end;
        segment.read = segment.size;
        // Of a process that was killed while it wrote, its end was never answered with 202. It is kept all the same.
        await rename(segment.path, `${segment.path}.damaged`);
        log[segment.former ? 'warn' : 'error']('the end of a webhook journal cannot be read and is kept aside', {
          file: `${segment.path}.damaged`,
          bytes: lost,
        });
        segments.splice(segments.indexOf(segment), 1);
        break;
      }
      return found;
    },

    async settle() {
      const active = current?.segment;
      const done = active !== undefined && active.size > 0 && active.read >= active.size;
      const quiet = performance.now() - lastAppend > QUIET_MS;
      if (done && !writing && waiting.length === 0 && (active.size > WORTH_LEAVING_BYTES || quiet)) await seal();
      for (const segment of segments.filter(({ sealed, read, size }) => sealed && read >= size)) {
        await unlink(segment.path).catch((thrown: NodeJS.ErrnoException) => {
          if (thrown.code !== 'ENOENT') throw thrown;
        });
        segments.splice(segments.indexOf(segment), 1);
      }
    },

    bytes: total,
    onNews: (listener) => void (news = listener),

    async close() {
      closed = true;
      await writing;
      await seal();
    },
  };
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
