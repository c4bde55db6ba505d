import { closeSync, lstatSync, openSync, readdirSync, readSync, writeSync } from 'node:fs';
import type { ContentItem } from '../../../core/backup/copy.ts';
import { createContentsText } from '../contents-text.ts';
import { byName } from '../order.ts';
import type { Looked, LookJob, Remembered, Step } from './look.ts';
import { createExcluder } from './patterns.ts';
import { ownJob, send, waitToGoOn } from './thread-side.ts';
import { describe, fingerprint, FOLDER, kernelMounts, walk, type Walked, whyNot } from './walk.ts';

const TOLD_EACH = 1_000;
const BUFFER = 256 * 1024;
/**
 * One that was written while it was read may have been written again within the same tick of the clock. A page that is written
 * through a mapping gives the file a new time when it is first touched, and when it is touched again not before the kernel has written
 * it back, which takes it half a minute.
 */
const TOO_CLOSE_MS = 60_000;

type Line = readonly [fingerprint: string, item: ContentItem];

const job = ownJob as LookJob;
const excluded = createExcluder(job.exclude);
const nothing = () => ({
  specials: [] as string[],
  leftOut: [] as Looked['leftOut'][number][],
  files: 0,
  bytes: 0,
  text: '',
});
let looked = nothing();

function tell(more: Pick<Looked, 'ends' | 'contents'> = {}): void {
  send({ ...looked, ...more } satisfies Looked);
  looked = nothing();
}
function tellSome(): void {
  if (looked.files + looked.leftOut.length + looked.specials.length >= TOLD_EACH || looked.text !== '') tell();
}
const ends = (step: Step): void => tell({ ends: step });
const leftOut = (what: Looked['leftOut'][number]): void => void looked.leftOut.push(what);

findSpecials();
ends('specials');
describeAll();
ends('description');
waitToGoOn();
lookAgain();

/**
 * Sockets, pipes and devices, which no copy should have, and what else a repository has to be told by its path; by what the
 * folders say of their entries, which is fast enough to be known before anything is read.
 */
function findSpecials(): void {
  const byPath = createExcluder(job.named);
  const waiting = [...job.roots];
  const kernel = new Set(kernelMounts());
  looked.specials.push(...kernel);
  for (let folder = waiting.pop(); folder !== undefined; folder = waiting.pop()) {
    if (kernel.has(folder)) continue;
    for (const entry of entriesOf(folder)) {
      const path = folder === '/' ? `/${entry.name}` : `${folder}/${entry.name}`;
      if (byPath(path)) looked.specials.push(path);
      else if (entry.isFile() || entry.isSymbolicLink() || excluded(path)) continue;
      else if (entry.isDirectory()) waiting.push(path);
      else looked.specials.push(path);
      tellSome();
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

function describeAll(): void {
  const before = job.known && checksumsIn(job.known);
  const spool = openSync(job.spool, 'wx', 0o600);
  let text = '';
  const flush = (): void => {
    const bytes = Buffer.from(text);
    for (let at = 0; at < bytes.length;) at += writeSync(spool, bytes, at);
    text = '';
  };
  try {
    for (const entry of walk(job.roots, { excluded, leftOut })) {
      const print = fingerprint(entry.stats);
      const checksum = before?.(entry, print);
      const item = describe(entry, { leftOut, name: entry.path, hash: checksum === undefined });
      const line: Line = [print, checksum === undefined ? item : { ...item, checksum }];
      text += `${JSON.stringify(line)}\n`;
      if (text.length >= BUFFER) flush();
      looked.files += 1;
      looked.bytes += item.count;
      tellSome();
    }
    flush();
  } finally {
    closeSync(spool);
  }
}

/** The checksum of a file that is what it was, by restic's own rule: its number, length and times. */
function checksumsIn({ file, since }: Remembered): (entry: Walked, print: string) => string | undefined {
  const lines = linesOf(file);
  const next = (): Line | undefined => {
    const { done, value } = lines.next();
    return done ? undefined : (JSON.parse(value) as Line);
  };
  let was = next();
  return ({ path, stats }, print) => {
    while (was && was[1].name !== path && byName(was[1].name, path) < 0) was = next();
    if (!was || was[1].name !== path || was[0] !== print || !stats.isFile()) return undefined;
    return stats.ctimeMs < since - TOO_CLOSE_MS ? (was[1].checksum ?? undefined) : undefined;
  };
}

/** What was described, each looked at once more: one that is not what it was has nothing to be compared with. */
function lookAgain(): void {
  const all = createContentsText();
  for (const line of linesOf(job.spool)) {
    const [was, item] = JSON.parse(line) as Line;
    const why = item.checksum === null || item.checksum === FOLDER ? undefined : changed(item.name, was);
    if (why !== undefined) leftOut({ what: item.name, why });
    looked.text += all.add(why === undefined ? item : { ...item, checksum: null }) ?? '';
    tellSome();
  }
  const { text, contents } = all.end();
  looked.text += text;
  tell({ ends: 'second look', contents });
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

function* linesOf(file: string): Generator<string> {
  const descriptor = openSync(file, 'r');
  try {
    const buffer = Buffer.allocUnsafe(BUFFER);
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
