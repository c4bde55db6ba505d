import { closeSync, lstatSync, openSync, readdirSync, readSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import type { ContentItem } from '../../../core/backup/copy.ts';
import { createExcluder } from './patterns.ts';
import type { Scanned, ScanData, ScanJob } from './scan.ts';
import { describe, fingerprint, FOLDER, kernelMounts, walk, whyNot } from './walk.ts';

const { job, taken } = workerData as ScanData;
const BATCH = 128;
const AHEAD = 32;

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

function describeAll({ roots, exclude, hash, below }: Extract<ScanJob, { do: 'describe' }>): void {
  for (const entry of walk(roots, { excluded: createExcluder(exclude), leftOut })) {
    const name = below === undefined ? entry.path : entry.path.slice(below.length) || '/';
    batch.items.push([fingerprint(entry.stats), describe(entry, { leftOut, name, hash })]);
    send(false);
  }
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
