import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { ContentItem, LayerResult, Part } from '../../../core/backup/copy.ts';
import type { Sandbox, SealedCopy } from '../../../core/backup/reader.ts';
import type { CopyEntry, Doing } from '../../../core/backup/store.ts';
import { fileError } from '../../files/file-errors.ts';
import { compareContents, judge, readContents } from '../contents.ts';
import { lookAtLayer } from '../layer.ts';
import { makeScratch } from '../scratch.ts';
import { heldIn, unpackDatabases } from './databases.ts';
import { scan } from './scan.ts';
import { FOLDER, LINK } from './walk.ts';

/** None where all that there was are databases, which lie apart. */
const treeOf = ({ manifest }: SealedCopy): Part | undefined => manifest.parts.find(({ kind }) => kind === 'tree');

/** What is listed in a copy: its tree, and what lies apart from that. */
async function* entriesOf(copy: SealedCopy, doing: Doing): AsyncIterable<CopyEntry> {
  const tree = treeOf(copy);
  if (tree) yield* copy.store.entries(copy.location, tree, doing);
  for (const { path, bytes } of heldIn(copy)) yield { path, kind: 'file', bytes };
}

/** As another user than root nothing can be given to anybody: only modes are compared then. */
function attributesHere({ attributes }: ContentItem): string | undefined {
  return process.getuid?.() === 0 || attributes?.startsWith('->') ? attributes : attributes?.split(' ')[0];
}

/** As it is wherever a tree is compared. */
export const comparesTree = {
  attributes: attributesHere,
  tells: ({ checksum }: ContentItem) => checksum !== FOLDER && checksum !== LINK,
};

/** Whether everything that was recorded is listed in the tree, each file with its length. */
export function structureOfTree(copy: SealedCopy, doing: Doing): Promise<LayerResult> {
  return lookAtLayer('structure', async () => {
    const wanted = new Map<string, number | undefined>();
    // What could not be read or changed meanwhile may be missing or of another length.
    for await (const { name, count, checksum } of readContents(copy, doing))
      if (checksum !== null) wanted.set(name, checksum === FOLDER || checksum === LINK ? undefined : count);
    const all = wanted.size;
    const wrong: string[] = [];
    for await (const { path, kind, bytes } of entriesOf(copy, doing)) {
      const expected = wanted.get(path);
      // A second name of a file is listed without its bytes.
      if (expected !== undefined && kind === 'file' && bytes !== 0 && bytes !== expected)
        wrong.push(`${path} has ${bytes} bytes instead of ${expected}`);
      wanted.delete(path);
    }
    const missing = [...wanted.keys()].map((path) => `${path} is missing`);
    const [first] = [...wrong, ...missing];
    const more = wrong.length + missing.length - 1;
    return {
      ok: first === undefined,
      statement:
        first === undefined
          ? `All ${all} entries are listed, each file with its length.`
          : `${first}${more > 0 ? `, and ${more} more` : ''}.`,
    };
  });
}

/** The whole tree below scratch, under the paths that it has on the machine. */
export async function sandboxOfTree(
  copy: SealedCopy,
  { scratch, owner }: { readonly scratch: string; readonly owner: string },
  doing: Doing,
): Promise<Sandbox & { readonly root: string }> {
  const room = copy.manifest.parts.reduce((sum, { bytes }) => sum + bytes, 0);
  const folder = await makeScratch(scratch, { kind: 'tree', owner, room });
  const root = join(folder.path, 'restored');
  const restore = await lookAtLayer('restore', async () => {
    await extractInto(copy, root, undefined, doing);
    return { ok: true, statement: 'It was restored into an empty folder.' };
  }).catch(async (thrown: unknown) => {
    await folder.remove();
    throw thrown;
  });
  return {
    root,
    restore,
    content: ({ signal }) =>
      lookAtLayer('content', async () => {
        if (!restore.ok) return { ok: false, statement: 'There is nothing to compare: it was not restored.' };
        const found = scan({ roots: [root], exclude: [], hash: true, below: root }, signal);
        // Folders above what was copied are made with it, and what came while it was copied may be in it.
        const comparison = await compareContents(readContents(copy, doing), found, {
          ...comparesTree,
          mayAdd: true,
        });
        return judge(comparison, 'files and folders');
      }),
    assertions: async () => ({ layers: [] }),
    environment: { STEWARD_SANDBOX_PATH: root },
    end: () => folder.remove(),
  };
}

/** The whole of it, or what is picked, below a folder that is empty or not there yet. */
export async function extractInto(
  copy: SealedCopy,
  folder: string,
  only: readonly string[] | undefined,
  doing: Doing,
): Promise<void> {
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const tree = treeOf(copy);
    const held = new Set(heldIn(copy).map(({ path }) => path));
    const ofTree = only?.filter((path) => !held.has(path));
    if (tree && ofTree?.length !== 0) await copy.store.extract(copy.location, tree, { folder, only: ofTree }, doing);
    await unpackDatabases(copy, folder, only, doing);
  } catch (thrown) {
    throw fileError(folder, thrown);
  }
}
