// What was answered with 202 lies here until the store has it: an append-only file whose records are checked, and one fdatasync
// for all who wait at that moment. It is written without a thread of the pool and without a promise: while the disk works, those
// who come wait in the kernel, and are the next to share a write.
import { closeSync, constants, fdatasyncSync, fsyncSync, ftruncateSync, openSync, rmSync, writevSync } from 'node:fs';
import { join } from 'node:path';

export interface JournalWriter {
  /** Says when it is on disk, or why it cannot be; then nothing of it is. */
  append(record: Buffer, done: (failed: Error | undefined) => void): void;
  /** Begins a new file with the next record, where this is the one in use. */
  leave(segment: number): void;
  /** So much of what was written is in the store, and no file has it any more. */
  freed(bytes: number): void;
  close(): void;
}

export interface JournalWriterDeps {
  readonly folder: string;
  /** The number of the first file: higher than those of all that are there. */
  readonly first: number;
  /** Bytes that former processes left. */
  readonly before: number;
  readonly mostBytes: () => number;
  /** All of the file up to there is on disk. */
  readonly onWrote: (segment: number, size: number) => void;
  /** Nothing more is written to it. */
  readonly onSealed: (segment: number) => void;
}

export class JournalFull extends Error {}

interface Waiting {
  readonly record: Buffer;
  readonly done: (failed: Error | undefined) => void;
}

const SEGMENT_BYTES = 16 * 1024 * 1024;
const BATCH_BYTES = 4 * 1024 * 1024;
const BATCH = 1024;

export const segmentName = (number: number): string => `${String(number).padStart(10, '0')}.journal`;

export function createJournalWriter(deps: JournalWriterDeps): JournalWriter {
  const { folder, mostBytes, onWrote, onSealed } = deps;
  let number = deps.first - 1;
  let onDisk = deps.before;
  let current: { readonly file: number; readonly segment: number; size: number } | undefined;
  let waiting: Waiting[] = [];
  let waitingBytes = 0;
  let scheduled = false;
  let closed = false;

  function begin(): NonNullable<typeof current> {
    const segment = (number += 1);
    const path = join(folder, segmentName(segment));
    const file = openSync(path, 'wx', 0o600);
    try {
      // A file is there after a power cut only if its folder is on disk, too.
      syncFolder(folder);
    } catch (thrown) {
      closeSync(file);
      rmSync(path, { force: true });
      throw thrown;
    }
    return { file, segment, size: 0 };
  }

  function seal(): void {
    if (!current) return;
    const { file, segment } = current;
    current = undefined;
    onSealed(segment);
    closeSync(file);
  }

  function write(records: readonly Buffer[], bytes: number): void {
    if (current && current.size >= SEGMENT_BYTES) seal();
    current ??= begin();
    const written = writevSync(current.file, records, current.size);
    if (written !== bytes) throw new Error(`only ${written} of ${bytes} bytes could be written, so the disk is full`);
    fdatasyncSync(current.file);
    current.size += bytes;
    onDisk += bytes;
    onWrote(current.segment, current.size);
  }

  /** What could not be written is not in the file either; after an fsync that failed nobody knows, so a new one begins. */
  function giveUp(): void {
    try {
      if (current) ftruncateSync(current.file, current.size);
    } catch {
      // The reader stops at what is known to be on disk, and at the first record that is damaged.
    }
    try {
      seal();
    } catch {
      // It is left all the same.
    }
  }

  function flush(): void {
    scheduled = false;
    while (waiting.length > 0) {
      const batch = takeBatch();
      const records = batch.map(({ record }) => record);
      const bytes = records.reduce((sum, { length }) => sum + length, 0);
      let failed: Error | undefined;
      try {
        write(records, bytes);
      } catch (thrown) {
        failed = thrown as Error;
        giveUp();
      }
      waitingBytes -= bytes;
      for (const { done } of batch) done(failed);
    }
  }

  function takeBatch(): readonly Waiting[] {
    let size = 0;
    let count = 0;
    while (count < waiting.length && count < BATCH && size < BATCH_BYTES) size += waiting[count++]?.record.length ?? 0;
    const batch = count === waiting.length ? waiting : waiting.slice(0, count);
    waiting = count === waiting.length ? [] : waiting.slice(count);
    return batch;
  }

  return {
    append(record, done) {
      if (closed) return done(new Error('Steward is stopping'));
      const total = onDisk + waitingBytes;
      if (total + record.length > mostBytes())
        return done(new JournalFull(`${total} bytes wait for the store, as much as webhooks.journal allows`));
      waiting.push({ record, done });
      waitingBytes += record.length;
      if (scheduled) return;
      scheduled = true;
      // After everything that has come in by now.
      setImmediate(flush);
    },
    leave(segment) {
      if (current?.segment === segment) seal();
    },
    freed(bytes) {
      onDisk -= bytes;
    },
    close() {
      closed = true;
      flush();
      seal();
    },
  };
}

function syncFolder(folder: string): void {
  const handle = openSync(folder, constants.O_RDONLY);
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}
