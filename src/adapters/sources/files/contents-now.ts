import type { ContentItem } from '../../../core/backup/copy.ts';
import type { SealedCopy } from '../../../core/backup/reader.ts';
import type { Doing } from '../../../core/backup/store.ts';
import type { SourceDeps } from '../deps.ts';
import { makeScratch } from '../scratch.ts';
import { databaseNow, heldIn } from './databases.ts';
import { scan } from './scan.ts';
import { BESIDE } from './sqlite-file.ts';

/** What is in a tree now, to be compared with a copy: its databases as their own backup makes them, as the copy has them. */
export async function* contentsOfTree(
  {
    name,
    roots,
    exclude,
  }: { readonly name: string; readonly roots: readonly string[]; readonly exclude: readonly string[] },
  copy: SealedCopy | undefined,
  { programs, scratch }: SourceDeps,
  doing: Doing,
): AsyncIterable<ContentItem> {
  const found = scan({ roots, exclude, hash: true }, doing.signal);
  const held = new Map((copy ? heldIn(copy) : []).map((each) => [each.path, each]));
  if (held.size === 0) return yield* found;
  // What lies beside a database is part of it.
  const beside = new Set([...held.keys()].flatMap((path) => BESIDE.map((end) => path + end)));
  const folder = await makeScratch(scratch, { kind: 'tree', owner: name });
  try {
    for await (const item of found) {
      if (beside.has(item.name)) continue;
      const database = held.get(item.name);
      yield database ? await databaseNow(item, database, { programs, folder: folder.path }, doing) : item;
    }
  } finally {
    await folder.remove();
  }
}
