import { readFile, rm } from 'node:fs/promises';
import { basename } from 'node:path';
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
    const user = await createdUser(home);
    if (user !== undefined) {
      const { exitCode } = await programs.run({ program: 'userdel', args: [user], timeoutMs: 10_000 });
      if (exitCode === 0) said.push(`system user ${user}, which the store of the game day had needed`);
    }
    await rm(home, { recursive: true, force: true });
    said.push(home);
  }
  return said;
}

/** The game days that ended without cleaning up: killed, or cut off by a power failure. */
export async function abandonedGameDays(host: string | undefined): Promise<Leftovers[]> {
  const found = await createRemains(host).list();
  const dead = await Promise.all(found.map(async (each) => ((await ownerLives(each.home)) ? [] : [each])));
  return dead.flat();
}

async function ownerLives(home: string): Promise<boolean> {
  const text = await readFile(`${home}/owner.json`, 'utf8').catch(() => undefined);
  return text !== undefined && isAlive(JSON.parse(text) as ProcessIdentity);
}

async function createdUser(home: string): Promise<string | undefined> {
  const text = await readFile(pgHome(home).createdUser, 'utf8').catch(() => undefined);
  return text === undefined ? undefined : (JSON.parse(text) as { user: string }).user;
}
