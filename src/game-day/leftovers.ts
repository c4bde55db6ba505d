import { readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { createRemains, type Leftovers } from '../adapters/scratch/leftovers.ts';
import { isAlive, type ProcessIdentity } from '../config/process-identity.ts';
import type { ProcessesPort } from '../core/ports/processes.ts';
import type { ProgramsPort } from '../core/ports/programs.ts';
import { pgHome } from '../store/pg-home.ts';
import { endSteward } from './steward.ts';

export interface CleanDeps {
  readonly host: string | undefined;
  readonly processes: ProcessesPort;
  readonly programs: ProgramsPort;
}

/** Removes everything of one game day: its Steward, its containers, networks and image, its folder. Gives what it removed. */
export async function removeGameDay(
  { id, home }: Leftovers,
  { host, processes, programs }: CleanDeps,
): Promise<string[]> {
  const said: string[] = [];
  // The label of a container says where the folder is, and anybody can write a label.
  const ours = basename(home).startsWith(`steward-game-day-${id}-`);
  if (ours) await endSteward(home, processes);
  said.push(...(await createRemains(host).remove(id)));
  if (ours) {
    // Whose group is the other's goes first.
    for (const user of await createdUsers(home)) {
      const { exitCode } = await programs.run({ program: 'userdel', args: [user], timeoutMs: 10_000 });
      if (exitCode === 0) said.push(`system user ${user}, which the game day had needed`);
    }
    await rm(home, { recursive: true, force: true });
    said.push(home);
  }
  return said;
}

/** The game days that ended without cleaning up: killed, or cut off by a power failure. */
export async function abandonedGameDays(host: string | undefined): Promise<Leftovers[]> {
  const labeled = await createRemains(host).list();
  const homes = new Set(labeled.map(({ home }) => home));
  const found = [...labeled, ...(await foldersLeft()).filter(({ home }) => !homes.has(home))];
  const dead = await Promise.all(found.map(async (each) => ((await ownerLives(each.home)) ? [] : [each])));
  return dead.flat();
}

/** Folders of this user whose game day had begun: those are left alone where the engine lost its data, or is another one. */
async function foldersLeft(): Promise<Leftovers[]> {
  const found = await Promise.all(
    (await readdir(tmpdir())).map(async (name) => {
      const id = /^steward-game-day-([0-9a-f]{6})-/.exec(name)?.[1];
      const home = join(tmpdir(), name);
      const owner = id === undefined ? undefined : await stat(join(home, 'owner.json')).catch(() => undefined);
      return id !== undefined && owner?.uid === process.getuid?.() ? [{ id, home }] : [];
    }),
  );
  return found.flat();
}

async function ownerLives(home: string): Promise<boolean> {
  const text = await readFile(`${home}/owner.json`, 'utf8').catch(() => undefined);
  return text !== undefined && isAlive(JSON.parse(text) as ProcessIdentity);
}

async function createdUsers(home: string): Promise<string[]> {
  const { createdUser, createdScratchUser } = pgHome(home);
  const texts = await Promise.all(
    [createdScratchUser, createdUser].map((path) => readFile(path, 'utf8').catch(() => undefined)),
  );
  return texts.flatMap((text) => (text === undefined ? [] : [(JSON.parse(text) as { user: string }).user]));
}
