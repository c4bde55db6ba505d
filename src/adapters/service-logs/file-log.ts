import { constants } from 'node:fs';
import { type FileHandle, open, stat } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Resource } from '../../core/resource.ts';
import type { RawLine } from '../../core/service-logs.ts';
import { heldLogFiles } from '../evidence/log-files.ts';
import { LineSplitter } from '../lines/line-splitter.ts';

const EVERY_MS = 500;
const PIECE = 64 * 1_024;
/** Of one file and look: what a program writes faster than that is read in the next ones. */
const PIECES = 16;
const MAX_PIDS = 8;
const MAX_FILES = 16;
const MAX_LEFT = 64;

interface Followed {
  readonly path: string;
  readonly file: FileHandle;
  readonly lines: LineSplitter;
  offset: number;
}

/**
 * Follows the log files that a service's processes hold open, known by what they are and not by their names: a file that is
 * renamed is read to its end, the one that takes its place from its beginning, and one that is cut off from there on. Where
 * nobody holds it for a while, it is gone on with where it was.
 */
export async function followFiles(
  current: () => Promise<Resource | undefined>,
  emit: (lines: readonly RawLine[]) => void,
  signal: AbortSignal,
): Promise<void> {
  const followed = new Map<string, Followed>();
  /** How far those were read that nobody holds at the moment: a service that is started again goes on in the same file. */
  const left = new Map<string, number>();
  let first = true;
  try {
    while (!signal.aborted) {
      const pids = (await current())?.pids ?? [];
      const held = await heldBy(pids.slice(0, MAX_PIDS));
      for (const [key, { path, descriptor }] of held) {
        if (followed.has(key) || followed.size >= MAX_FILES) continue;
        const opened = await openHeld(descriptor, key);
        // What was there when somebody began to listen is not news; a file that appears later is, all of it.
        const offset = first ? opened?.size : left.get(key);
        if (opened) followed.set(key, { path, file: opened.file, lines: new LineSplitter(), offset: offset ?? 0 });
        left.delete(key);
      }
      first = false;
      for (const [key, file] of followed) {
        for (const lines of await readOn(file)) emit(lines);
        if (held.has(key)) continue;
        followed.delete(key);
        left.set(key, file.offset);
        const [oldest] = left.keys();
        if (left.size > MAX_LEFT && oldest !== undefined) left.delete(oldest);
        await file.file.close();
      }
      await sleep(EVERY_MS, undefined, { signal }).catch(() => undefined);
    }
  } finally {
    for (const { file } of followed.values()) await file.close().catch(() => undefined);
  }
}

async function heldBy(pids: readonly number[]): Promise<Map<string, { path: string; descriptor: string }>> {
  const held = new Map<string, { path: string; descriptor: string }>();
  for (const { path, descriptor } of (await Promise.all(pids.map(heldLogFiles))).flat()) {
    const info = await stat(descriptor).catch(() => undefined);
    if (info?.isFile()) held.set(`${info.dev}:${info.ino}`, { path, descriptor });
  }
  return held;
}

/** Through the process's own descriptor: a name may lead elsewhere by now. */
async function openHeld(descriptor: string, key: string): Promise<{ file: FileHandle; size: number } | undefined> {
  const file = await open(descriptor, constants.O_RDONLY | constants.O_NONBLOCK).catch(() => undefined);
  const info = await file?.stat().catch(() => undefined);
  if (file && info?.isFile() && `${info.dev}:${info.ino}` === key) return { file, size: info.size };
  await file?.close();
  return undefined;
}

async function readOn(followed: Followed): Promise<RawLine[][]> {
  const batches: RawLine[][] = [];
  const { size } = await followed.file.stat();
  if (size < followed.offset) followed.offset = 0;
  for (let piece = 0; piece < PIECES && followed.offset < size; piece += 1) {
    const { bytesRead, buffer } = await followed.file.read(Buffer.alloc(PIECE), 0, PIECE, followed.offset);
    if (bytesRead === 0) break;
    followed.offset += bytesRead;
    const lines = followed.lines.push(buffer.subarray(0, bytesRead));
    if (lines.length > 0) batches.push(lines.map((text) => ({ text, source: followed.path })));
  }
  return batches;
}
