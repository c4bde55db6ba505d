import { randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, stat, statfs, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { StewardError } from '../../core/errors.ts';
import type { ProcessIdentity } from '../../core/ports/programs.ts';
import { fileError } from '../files/file-errors.ts';
import { identityOf, isAlive } from '../procfs/identity.ts';

const OWNER = 'owner.json';
/** A folder of which nobody wrote down whose it is: its maker died the moment after it was made. */
const NOBODYS_MS = 24 * 3_600_000;

/** Who made a folder, so that it can be told whether somebody still needs it. */
interface Ownership {
  readonly kind: string;
  readonly owner: string;
  readonly process: ProcessIdentity | undefined;
  /** What else is to be removed with it, elsewhere on this machine. */
  readonly elsewhere: readonly string[];
}

export interface ScratchFolder {
  readonly path: string;
  /** Removed with it, also where this process does not live to do it. */
  alsoRemove(path: string): Promise<void>;
  /** Harmless where it is left. */
  remove(): Promise<void>;
  /** Stays, as that of a dead process does: what has to be done with it is done by the next sweep. */
  leave(): Promise<void>;
}

/** All that dead processes made, or what was made for these, whoever lives. */
type Swept = ReadonlySet<string> | 'all-dead' | { readonly deadOf: string };

/** A folder of one's own below `scratch`, for nobody else to see. `room` is what it has to hold, where that is known. */
export async function makeScratch(
  scratch: string,
  { kind, owner, room = 0 }: { readonly kind: string; readonly owner: string; readonly room?: number | undefined },
): Promise<ScratchFolder> {
  // Short: a Unix socket below it may have 107 bytes.
  const path = join(scratch, `${kind}-${randomBytes(4).toString('hex')}`);
  let ownership: Ownership = { kind, owner, process: identityOf(process.pid), elsewhere: [] };
  try {
    // Others may pass, and see nothing: servers run there as another user than root.
    await mkdir(scratch, { recursive: true, mode: 0o711 });
    await assertRoomIn(scratch, room);
    await mkdir(path, { mode: 0o700 });
    await writeAtOnce(join(path, OWNER), JSON.stringify(ownership));
  } catch (thrown) {
    throw fileError(scratch, thrown);
  }
  let left = false;
  const write = (): Promise<void> => writeAtOnce(join(path, OWNER), JSON.stringify(ownership));
  return {
    path,
    async alsoRemove(other) {
      ownership = { ...ownership, elsewhere: [...ownership.elsewhere, other] };
      await write();
    },
    async remove() {
      if (!left) await removeWith(path, ownership);
    },
    async leave() {
      left = true;
      ownership = { ...ownership, process: undefined };
      await write();
    },
  };
}

/** DISK_FULL where so much does not fit there. */
export async function assertRoomIn(scratch: string, room: number): Promise<void> {
  const { bavail, bsize } = await statfs(scratch);
  if (bavail * bsize >= room) return;
  throw new StewardError(
    'DISK_FULL',
    `${scratch} has ${megabytes(bavail * bsize)} free, and ${megabytes(room)} are needed there for a while.`,
    { hint: 'Free some space there, or let STEWARD_HOME be on a larger disk. Nothing was changed.' },
  );
}

/** Whoever reads it finds all of it or what was there before, also after kill -9. */
export async function writeAtOnce(path: string, text: string): Promise<void> {
  const partial = `${path}.${randomBytes(4).toString('hex')}`;
  await writeFile(partial, text, { mode: 0o600, flush: true });
  await rename(partial, path);
}

/**
 * Removes what was made by these owners, or by processes that are gone; `end` ends first what runs in it. One that cannot be removed
 * keeps none of the others: it is thrown when all had their turn.
 */
export async function sweepScratch(
  scratch: string,
  kind: string,
  owners: Swept,
  end: (folder: string, elsewhere: readonly string[]) => Promise<void> = async () => undefined,
): Promise<string[]> {
  const removed: string[] = [];
  const failures: unknown[] = [];
  for (const name of await readdir(scratch).catch(() => [])) {
    const path = join(scratch, name);
    const ownership = (await ownershipOf(path)) ?? (await nobodys(path, kind));
    if (ownership?.kind !== kind || !concerns(owners, ownership)) continue;
    try {
      await end(path, ownership.elsewhere);
      await removeWith(path, ownership);
      removed.push(path, ...ownership.elsewhere);
    } catch (thrown) {
      failures.push(thrown);
    }
  }
  if (failures.length > 0) throw failures[0];
  return removed;
}

function concerns(owners: Swept, { owner, process }: Ownership): boolean {
  if (owners instanceof Set) return owners.has(owner);
  const dead = !(process && isAlive(process));
  return dead && (typeof owners !== 'object' || !('deadOf' in owners) || owners.deadOf === owner);
}

async function removeWith(path: string, { elsewhere }: Ownership): Promise<void> {
  for (const each of [...elsewhere, path]) await rm(each, { recursive: true, force: true, maxRetries: 2 });
}

async function ownershipOf(path: string): Promise<Ownership | undefined> {
  try {
    return JSON.parse(await readFile(join(path, OWNER), 'utf8')) as Ownership;
  } catch {
    return undefined;
  }
}

/** Known by its name alone. */
async function nobodys(path: string, kind: string): Promise<Ownership | undefined> {
  if (!basename(path).startsWith(`${kind}-`) || !/-[0-9a-f]{8}$/.test(path)) return undefined;
  const found = await stat(path).catch(() => undefined);
  if (!found?.isDirectory() || Date.now() - found.mtimeMs < NOBODYS_MS) return undefined;
  return { kind, owner: '', process: undefined, elsewhere: [] };
}

function megabytes(bytes: number): string {
  return `${Math.ceil(bytes / 1024 ** 2)} MB`;
}
