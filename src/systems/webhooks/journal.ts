// The journal as the mover reads it: files that the receiver's thread writes, and those that a former process left.
import { mkdir, readdir, rename, stat, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { Log } from '../../core/log.ts';
import { segmentName } from './journal-writer.ts';
import type { Delivery } from './record.ts';
import { nextRecord, readSegment } from './segment.ts';

export interface Journal {
  /** The number of the next file that somebody may begin. */
  readonly next: number;
  /** Bytes on disk. */
  bytes(): number;
  /** What is on disk and was not given yet, oldest first. What it was given for is over with the next call. */
  read(most: number): Promise<readonly Delivery[]>;
  /** Everything that `read` gave is in the store: its files may go. */
  settle(): Promise<void>;
  /** All of the file up to there is on disk. */
  wrote(segment: number, size: number): void;
  /** Nothing more is written to it. */
  sealed(segment: number): void;
  /** Whoever wrote is gone, perhaps in the middle of a record. */
  abandoned(): Promise<void>;
  /** Whether something that was answered with 202 could not be read, since it was opened. */
  mayHaveLost(): boolean;
  /** Called when there is something new to be read. */
  onNews(listener: () => void): void;
}

export interface JournalDeps {
  readonly folder: string;
  /** Asks whoever writes to leave this file for a new one. */
  readonly onRead: (segment: number) => void;
  /** So many bytes are not on disk any more. */
  readonly onFreed: (bytes: number) => void;
  readonly log: Log;
}

interface Segment {
  readonly number: number;
  readonly path: string;
  /** Bytes that are known to be on disk. Where whoever wrote is gone: whatever the file has. */
  size: number;
  /** As far as `read` has come. */
  read: number;
  sealed: boolean;
  /** Whoever wrote it was killed, maybe in the middle of a record. */
  orphan: boolean;
  /** Some of it cannot be read: it is kept aside when the rest is in the store. */
  damaged: boolean;
  /** Since when nothing came. */
  quietSince: number;
}

const NAME = /^(\d{10})\.journal(\.damaged)?$/;
/** The file in use is left for a new one when all of it is in the store and it is so large, or nothing came for a while. */
const WORTH_LEAVING_BYTES = 1024 * 1024;
const QUIET_MS = 2_000;

export async function openJournal({ folder, onRead, onFreed, log }: JournalDeps): Promise<Journal> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const segments: Segment[] = [];
  let last = 0;
  for (const name of (await readdir(folder)).toSorted()) {
    const [, digits, aside] = NAME.exec(name) ?? [];
    if (digits === undefined) continue;
    const number = Number(digits);
    // No name is used twice, so that what is kept aside stays.
    last = Math.max(last, number);
    if (aside !== undefined) continue;
    const path = join(folder, name);
    const { size } = await stat(path);
    segments.push({ number, path, size, read: 0, sealed: true, orphan: true, damaged: false, quietSince: 0 });
  }
  let news: () => void = () => undefined;
  let lost = false;

  function segmentOf(number: number): Segment {
    const known = segments.find((segment) => segment.number === number);
    if (known) return known;
    const path = join(folder, segmentName(number));
    const segment: Segment = {
      number,
      path,
      size: 0,
      read: 0,
      sealed: false,
      orphan: false,
      damaged: false,
      quietSince: 0,
    };
    segments.push(segment);
    last = Math.max(last, number);
    return segment;
  }

  function drop(segment: Segment): void {
    segments.splice(segments.indexOf(segment), 1);
    onFreed(segment.size);
  }

  /** Goes on at the next record that is whole. */
  async function passOver(segment: Segment): Promise<void> {
    const { path, orphan, read: from, size: to } = segment;
    const next = await nextRecord(path, { from, to });
    segment.damaged = true;
    segment.read = next;
    const where = { file: `${path}.damaged`, at: from, bytes: next - from };
    // Of a process that was killed while it wrote, the end was never answered with 202.
    if (orphan && next === to) log.warn('the end of a webhook journal was cut off and is kept aside', where);
    else {
      lost = true;
      log.error('part of a webhook journal cannot be read: webhooks that were answered with 202 may be lost', where);
    }
  }

  return {
    get next() {
      return last + 1;
    },
    bytes: () => segments.reduce((sum, { size }) => sum + size, 0),

    async read(most) {
      for (;;) {
        const segment = segments.find(({ read, size }) => read < size);
        if (!segment) return [];
        const { path, read: from, size: to } = segment;
        const { deliveries, end, damaged } = await readSegment(path, { from, to, most });
        segment.read = end;
        if (!damaged) return deliveries;
        if (!segment.sealed) {
          // Nothing more is to come behind what cannot be read; then it is looked at again.
          onRead(segment.number);
          return [];
        }
        await passOver(segment);
      }
    },

    async settle() {
      const active = segments.find(({ sealed }) => !sealed);
      if (active && active.size > 0 && active.read >= active.size) {
        const quiet = performance.now() - active.quietSince > QUIET_MS;
        if (active.size > WORTH_LEAVING_BYTES || quiet) onRead(active.number);
      }
      for (const segment of segments.filter(({ sealed, read, size }) => sealed && read >= size)) {
        // Only now: what could be read of it is in the store.
        const removed = segment.damaged ? rename(segment.path, `${segment.path}.damaged`) : unlink(segment.path);
        await removed.catch((thrown: NodeJS.ErrnoException) => {
          if (thrown.code !== 'ENOENT') throw thrown;
        });
        drop(segment);
      }
    },

    wrote(number, size) {
      const segment = segmentOf(number);
      segment.size = size;
      segment.quietSince = performance.now();
      news();
    },
    sealed(number) {
      segmentOf(number).sealed = true;
      news();
    },
    async abandoned() {
      for (const segment of segments.filter(({ sealed }) => !sealed)) {
        const found = await stat(segment.path).catch((thrown: NodeJS.ErrnoException) => {
          if (thrown.code !== 'ENOENT') throw thrown;
        });
        if (found) {
          segment.size = found.size;
          segment.sealed = true;
          segment.orphan = true;
        } else {
          log.error('a webhook journal was removed before the store had all of it', { file: segment.path });
          drop(segment);
        }
      }
      news();
    },
    mayHaveLost: () => lost,
    onNews: (listener) => void (news = listener),
  };
}
