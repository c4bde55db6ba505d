import { closeSync, lstatSync, openSync, readdirSync, readSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import type { ContentItem } from '../../../core/backup/copy.ts';
import { createExcluder } from './patterns.ts';
import { byName } from '../order.ts';
import type { Remembered, Scanned, ScanData, ScanJob } from './scan.ts';
import { describe, fingerprint, FOLDER, kernelMounts, walk, type Walked, whyNot } from './walk.ts';

const { job, taken } = workerData as ScanData;
const BATCH = 128;
const AHEAD = 32;
/**
 * One that was written while it was read may have been written again within the same tick of the clock. A page that is written
 * through a mapping gives the file a new time when it is first touched, and when it is touched again not before the kernel has written
 * it back, which takes it half a minute.
 */
const TOO_CLOSE_MS = 60_000;

let batch: { -readonly [Key in keyof Scanned]: Scanned[Key][number][] } = { items: [], specials: [], leftOut: [] };
let sent = 0;

function send(force: boolean): void {
  if (batch.items.length + batch.leftOut.length + batch.specials.length < (force ? 1 : BATCH)) return;
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin
  parentPort?.postMessage(batch);
  batch = { items: [], specials: [], leftOut: [] };
  sent += 1;
  for (let seen = Atomics.load(taken, 0); sent - seen > AHEAD; seen = Atomics.load(taken, 0))
    Atomics.wait(taken, 0, seen);
}

const leftOut = (what: Scanned['leftOut'][number]): void => void batch.leftOut.push(what);

switch (job.do) {
  case 'describe':
    describeAll(job);
    break;
  case 'again':
    lookAgain(job.spool);
    break;
  case 'specials':
    findSpecials(job);
    break;
}
send(true);

function describeAll({ roots, exclude, hash, below, known }: Extract<ScanJob, { do: 'describe' }>): void {
  const before = known && checksumsIn(known);
  for (const entry of walk(roots, { excluded: createExcluder(exclude), leftOut })) {
    const name = below === undefined ? entry.path : entry.path.slice(below.length) || '/';
    const print = fingerprint(entry.stats);
    const checksum = hash ? before?.(entry, print) : undefined;
    const item = describe(entry, { leftOut, name, hash: hash && checksum === undefined });
    batch.items.push([print, checksum === undefined ? item : { ...item, checksum }]);
    send(false);
  }
}

/** The checksum of a file that is what it was, by restic's own rule: its number, length and times. */
function checksumsIn({ file, since }: Remembered): (entry: Walked, print: string) => string | undefined {
  const lines = linesOf(file);
  const next = (): readonly [string, ContentItem] | undefined => {
    const { done, value } = lines.next();
    return done ? undefined : (JSON.parse(value) as [string, ContentItem]);
  };
  let was = next();
  return ({ path, stats }, print) => {
    while (was && byName(was[1].name, path) < 0) was = next();
    if (!was || was[1].name !== path || was[0] !== print || !stats.isFile()) return undefined;
    return stats.ctimeMs < since - TOO_CLOSE_MS ? (was[1].checksum ?? undefined) : undefined;
  };
}

/** What was described, each looked at once more: one that is not what it was has nothing to be compared with. */
function lookAgain(spool: string): void {
  for (const line of linesOf(spool)) {
    const [was, item] = JSON.parse(line) as [string, ContentItem];
    const why = item.checksum === null || item.checksum === FOLDER ? undefined : changed(item.name, was);
    if (why !== undefined) leftOut({ what: item.name, why });
    batch.items.push([was, why === undefined ? item : { ...item, checksum: null }]);
    send(false);
  }
}

function changed(path: string, was: string): string | undefined {
  try {
    return fingerprint(lstatSync(path)) === was
      ? undefined
      : 'it changed while it was copied: what the copy has of it may be torn';
  } catch (thrown) {
    return whyNot(thrown);
  }
}

/**
 * Sockets, pipes and devices, which no copy should have, and what else a repository has to be told by its path; by what the
 * folders say of their entries, which is fast enough to be known before anything is read.
 */
function findSpecials({ roots, exclude, named }: Extract<ScanJob, { do: 'specials' }>): void {
  const [excluded, byPath] = [createExcluder(exclude), createExcluder(named)];
  const waiting = [...roots];
  const kernel = kernelMounts();
  batch.specials.push(...kernel);
  for (let folder = waiting.pop(); folder !== undefined; folder = waiting.pop()) {
    if (kernel.includes(folder)) continue;
    for (const entry of entriesOf(folder)) {
      const path = folder === '/' ? `/${entry.name}` : `${folder}/${entry.name}`;
      if (byPath(path)) batch.specials.push(path);
      else if (entry.isFile() || entry.isSymbolicLink() || excluded(path)) continue;
      else if (entry.isDirectory()) waiting.push(path);
      else batch.specials.push(path);
      send(false);
    }
  }
}

function entriesOf(folder: string) {
  try {
    return readdirSync(folder, { withFileTypes: true });
  } catch {
    // A file, or one that may not be looked into, which the walk tells.
    return [];
  }
}

function* linesOf(file: string): Generator<string> {
  const descriptor = openSync(file, 'r');
  try {
    const buffer = Buffer.allocUnsafe(256 * 1024);
    const decoder = new TextDecoder();
    let rest = '';
    for (let read = readSync(descriptor, buffer); read > 0; read = readSync(descriptor, buffer)) {
      const lines = (rest + decoder.decode(buffer.subarray(0, read), { stream: true })).split('\n');
      rest = lines.pop() ?? '';
      yield* lines;
    }
  } finally {
    closeSync(descriptor);
  }
}
