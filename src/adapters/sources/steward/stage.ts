import { mkdir, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { ContentItem } from '../../../core/backup/copy.ts';
import type { Doing } from '../../../core/backup/store.ts';
import { StewardError } from '../../../core/errors.ts';
import { scan } from '../files/scan.ts';
import { openSession } from '../postgres/access.ts';
import { makeScratch, type ScratchFolder } from '../scratch.ts';
import { handOver } from '../throw-away.ts';
import { copyDataFolder, giveFolder, tidyDataFolder } from './data-folder.ts';
import { type HomeFiles, homeFiles, takeFile } from './home-files.ts';
import type { OwnState, OwnStore, StewardDeps } from './own-state.ts';
import { HOME, KEYS, STORE } from './parts.ts';
import { countStore, startOn } from './server.ts';

export const SCRATCH_KIND = 'self';
const CONFIGURATION = 'steward.yaml';
const ARTIFACTS = 'artifacts/';
const ATTEMPTS = 3;

/** Everything of one instant, at rest: what goes into a copy, and what was counted in it. */
export interface Stage {
  readonly folder: ScratchFolder;
  readonly snapshotAt: Date;
  readonly items: readonly ContentItem[];
  readonly keys: readonly string[];
}

export async function makeStage(deps: StewardDeps, owner: string, doing: Doing): Promise<Stage> {
  const { own, scratch } = deps;
  const store = await own.store();
  for (let attempt = 1; ; attempt += 1) {
    const room = store ? 2 * (await bytesOf(store.data)) : 0;
    const folder = await makeScratch(scratch, { kind: SCRATCH_KIND, owner, room });
    try {
      const { tables, ...taken } = store
        ? await takeStore(deps, store, folder, doing)
        : { ...(await takeFiles(own, folder.path)), snapshotAt: deps.now(), tables: [] };
      return { folder, ...taken, items: [...tables, ...(await filesIn(folder.path, doing))] };
    } catch (thrown) {
      await folder.remove();
      const { code, retryable } = StewardError.from(thrown);
      // A page of its control file may be torn; that is seen when it is started, and is another one the next time.
      if (doing.signal.aborted || attempt === ATTEMPTS || !(retryable || code === 'UNAVAILABLE')) throw thrown;
    }
  }
}

/**
 * The files come before the instant of the store, so that no checkpoint tells of a record that the copy does not have; artifacts
 * that were finished since come afterwards, so that no run of it lacks one.
 */
async function takeStore(
  { own, programs, now, ...deps }: StewardDeps,
  store: OwnStore,
  folder: ScratchFolder,
  doing: Doing,
): Promise<{
  readonly snapshotAt: Date;
  readonly keys: readonly string[];
  readonly tables: readonly ContentItem[];
}> {
  const account = await deps.account();
  const data = join(folder.path, STORE);
  let files: Taken = { state: [], keys: [] };
  await handOver(folder, account);
  await using session = await openSession(store.access, 'postgres', doing);
  const snapshotAt = await copyDataFolder(session, store.data, data, {
    doing,
    now,
    meanwhile: async () => void (files = await takeFiles(own, folder.path)),
  });
  await takeArtifacts(own, folder.path, { before: new Set(files.state), until: snapshotAt });
  await giveFolder(data, account);
  const server = await startOn({ folder, program: store.program, role: store.access.user, programs, account }, doing);
  const tables = await countStore(server.access, doing).catch(async (thrown: unknown) => {
    await server.end();
    throw thrown;
  });
  await server.stop();
  await tidyDataFolder(data);
  return { snapshotAt, keys: files.keys, tables };
}

type Taken = Pick<HomeFiles, 'state' | 'keys'>;

async function takeFiles(own: OwnState, folder: string): Promise<Taken> {
  const files = await homeFiles(own.home, own.never());
  await mkdir(join(folder, HOME), { mode: 0o700 });
  for (const path of files.state) await takeFile(join(own.home, path), join(folder, HOME, path));
  for (const path of files.keys) await takeFile(join(own.home, path), join(folder, KEYS, path));
  // Wherever it is: the next Steward looks for it in its home.
  await takeFile(own.configuration(), join(folder, HOME, CONFIGURATION));
  return files;
}

async function takeArtifacts(
  own: OwnState,
  folder: string,
  { before, until }: { readonly before: ReadonlySet<string>; readonly until: Date },
): Promise<void> {
  for (const path of (await homeFiles(own.home, own.never())).state) {
    if (!path.startsWith(ARTIFACTS) || before.has(path)) continue;
    const from = join(own.home, path);
    const { ctime } = await stat(from).catch(() => ({ ctime: undefined }));
    if (ctime && ctime <= until) await takeFile(from, join(folder, HOME, path));
  }
}

/** The files beside the store, as what was counted names them: `home/node-id`. */
export async function filesIn(folder: string, { signal }: Doing): Promise<ContentItem[]> {
  const items: ContentItem[] = [];
  for (const part of [HOME, KEYS]) {
    const root = join(folder, part);
    if (!(await stat(root).catch(() => undefined))) continue;
    const found = scan({ roots: [root], exclude: [], hash: true, below: root }, signal);
    for await (const item of found) items.push(named(part, item));
  }
  return items;
}

/** Whose they are is who restores them, so only their mode counts; and where they are is their place in a home. */
function named(part: string, { name, attributes = '', ...item }: ContentItem): ContentItem {
  return { ...item, name: `${part}${name === '/' ? '' : name}`, attributes: attributes.split(' ')[0] ?? '' };
}

/** The same of a home in use, for a comparison: as it is at this moment. */
export async function liveFiles(own: OwnState, { signal }: Doing): Promise<ContentItem[]> {
  const { state, keys } = await homeFiles(own.home, own.never());
  const items: ContentItem[] = [];
  for (const [part, paths] of [
    [HOME, state],
    [KEYS, keys],
  ] as const) {
    const roots = paths.map((path) => join(own.home, path));
    const found = scan({ roots, exclude: [], hash: true, below: own.home }, signal);
    for await (const item of found) items.push(named(part, item));
  }
  return items;
}

export async function bytesOf(folder: string): Promise<number> {
  let bytes = 0;
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true }))
    if (entry.isFile()) bytes += (await stat(join(entry.parentPath, entry.name)).catch(() => ({ size: 0 }))).size;
  return bytes;
}

export const isKeyItem = ({ name }: ContentItem): boolean => name === KEYS || name.startsWith(`${KEYS}/`);
