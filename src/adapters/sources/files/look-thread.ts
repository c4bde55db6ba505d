import { closeSync, lstatSync, openSync, readFileSync, readSync, writeSync } from 'node:fs';
import type { ContentItem } from '../../../core/backup/copy.ts';
import { createContentsText } from '../contents-text.ts';
import { byName } from '../order.ts';
import { described, parseDescribed, tells } from './described.ts';
import { ownList } from './own-list.ts';
import type { Looked, LookJob, Remembered, Step } from './look.ts';
import { createExcluder } from './patterns.ts';
import { ownJob, send, waitToGoOn } from './thread-side.ts';
import { describe, fingerprint, FOLDER, walk, type Walked, whyNot } from './walk.ts';

const TOLD_EACH = 1_000;
const BUFFER = 256 * 1024;
const NEWLINE = 0x0a;
/**
 * One that was written while it was read may have been written again within the same tick of the clock. A page that is written
 * through a mapping gives the file a new time when it is first touched, and when it is touched again not before the kernel has written
 * it back, which takes it half a minute.
 */
const TOO_CLOSE_MS = 60_000;
const AS_FOLDER = JSON.stringify(FOLDER);

const job = ownJob as LookJob;
const nothing = () => ({
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
  if (looked.files + looked.leftOut.length >= TOLD_EACH || looked.text !== '') tell();
}
const ends = (step: Step): void => tell({ ends: step });
type LeftOut = Looked['leftOut'][number];
const leftOut = (what: LeftOut): void => void looked.leftOut.push(what);
/** In the place of a fingerprint. */
const UNREAD = '-';

describeAll();
ends('description');
waitToGoOn();
lookAgain();

function describeAll(): void {
  const before = job.known && describedIn(job.known);
  const spool = openSync(job.spool, 'wx', 0o600);
  let text = '';
  const flush = (): void => {
    const bytes = Buffer.from(text);
    for (let at = 0; at < bytes.length;) at += writeSync(spool, bytes, at);
    text = '';
  };
  try {
    const [excluded, apart] = [createExcluder(job.exclude), new Set(job.apart)];
    const notGiven = (what: LeftOut, unread?: string): void => {
      leftOut(what);
      if (unread !== undefined) text += `${described(UNREAD, { name: unread, count: 0, checksum: null })}\n`;
    };
    const options = { excluded: (path: string) => apart.has(path) || excluded(path), leftOut: notGiven };
    for (const entry of walk(job.roots, options)) {
      const print = fingerprint(entry.stats);
      const line =
        before?.(entry, print) ?? described(print, describe(entry, { leftOut, name: entry.path, hash: true }));
      text += `${line}\n`;
      if (text.length >= BUFFER) flush();
      looked.files += 1;
      looked.bytes += entry.stats.isFile() ? entry.stats.size : 0;
      tellSome();
    }
    flush();
  } finally {
    closeSync(spool);
  }
}

/**
 * What was said of a file that is what it was, by restic's own rule: its number, length and times. A change of mode or owner is one
 * of its last time too.
 */
function describedIn({ file, since }: Remembered): (entry: Walked, print: string) => string | undefined {
  const lines = linesOf(file);
  const next = (): string | undefined => lines.next().value ?? undefined;
  let was = next();
  return ({ path, stats }, print) => {
    while (was !== undefined && stats.isFile()) {
      if (tells(was, print, path, stats.size)) {
        const line = was;
        was = next();
        return stats.ctimeMs < since - TOO_CLOSE_MS ? line : undefined;
      }
      const name = parseDescribed(was)?.path;
      if (name !== undefined && byName(name, path) >= 0) return undefined;
      // What is not as this Steward writes it ends the list: from there on everything is read.
      was = name === undefined ? undefined : next();
    }
    return undefined;
  };
}

/** What was described, each looked at once more: one that is not what it was has nothing to be compared with. */
function lookAgain(): void {
  const all = createContentsText();
  const others = apartItems();
  const addOthers = (upTo = others.length): void => {
    for (const item of others.splice(0, upTo)) looked.text += all.add(item) ?? '';
  };
  for (const line of linesOf(job.spool)) {
    const was = parseDescribed(line);
    if (!was) throw new Error(`A line of what was described is not one: ${line}`);
    const { print, path, item } = was;
    const later = others.findIndex(({ name }) => byName(name, path) > 0);
    addOthers(later === -1 ? others.length : later);
    const compared = item.checksum !== 'null' && item.checksum !== AS_FOLDER;
    const why = compared ? changed(path, print) : undefined;
    if (why !== undefined) leftOut({ what: path, why });
    looked.text += all.addText(why === undefined ? item : { ...item, checksum: 'null' }) ?? '';
    tellSome();
  }
  addOthers();
  const { text, contents } = all.end();
  looked.text += text;
  tell({ ends: 'second look', contents });
}

function apartItems(): ContentItem[] {
  const text = readFileSync(ownList(job.spool), 'utf8');
  return text === '' ? [] : text.split('\n').map((line) => JSON.parse(line) as ContentItem);
}

function changed(path: string, was: string): string | undefined {
  try {
    const stats = lstatSync(path);
    // The repository may have read it before it was looked at here: then it was what it is only from the first look on.
    const meanwhile = stats.ctimeMs > job.since && stats.ctimeMs <= Date.now();
    return fingerprint(stats) === was && !meanwhile
      ? undefined
      : 'it changed while it was copied: what the copy has of it may be torn';
  } catch (thrown) {
    return whyNot(thrown);
  }
}

function* linesOf(file: string): Generator<string> {
  const descriptor = openSync(file, 'r');
  try {
    let buffer = Buffer.allocUnsafe(BUFFER);
    for (let kept = 0; ;) {
      // One line that is longer than all of it.
      if (kept === buffer.length) buffer = Buffer.concat([buffer], kept * 2);
      const filled = kept + readSync(descriptor, buffer, { offset: kept });
      if (filled === kept) return;
      const end = buffer.lastIndexOf(NEWLINE, filled - 1) + 1;
      if (end > 0) yield* buffer.toString('utf8', 0, end - 1).split('\n');
      buffer.copy(buffer, 0, end, filled);
      kept = filled - end;
    }
  } finally {
    closeSync(descriptor);
  }
}
