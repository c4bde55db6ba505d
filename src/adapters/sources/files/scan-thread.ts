import type { ContentItem } from '../../../core/backup/copy.ts';
import { createExcluder } from './patterns.ts';
import type { Scanned, ScanJob } from './scan.ts';
import { ownJob, send } from './thread-side.ts';
import { describe, walk } from './walk.ts';

const BATCH = 128;
const { roots, exclude, hash, below } = ownJob as ScanJob;
let items: ContentItem[] = [];
let out: Scanned['leftOut'][number][] = [];

function tell(): void {
  send({ items, leftOut: out } satisfies Scanned);
  [items, out] = [[], []];
}

const leftOut = (what: Scanned['leftOut'][number]): void => void out.push(what);
for (const entry of walk(roots, { excluded: createExcluder(exclude), leftOut })) {
  const name = below === undefined ? entry.path : entry.path.slice(below.length) || '/';
  items.push(describe(entry, { leftOut, name, hash }));
  if (items.length + out.length >= BATCH) tell();
}
tell();
