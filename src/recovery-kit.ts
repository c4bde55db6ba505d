import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { readKey } from './adapters/repositories/restic/key.ts';
import { keyFiles } from './adapters/sources/steward/home-files.ts';
import type { StoreDeps } from './adapters/repositories/index.ts';
import { writeAtomically } from './config/write-atomically.ts';
import { type KitCopy, recoveryKit } from './core/backup/recovery-kit.ts';
import type { BackupRepository } from './core/backup/repository.ts';
import { canonicalJson } from './core/json.ts';

const Exported = z.object({ at: z.coerce.date(), of: z.string() });

/** Which repositories a kit is of: another one as soon as there is another place, or another key. */
function fingerprintOf(
  repositories: readonly BackupRepository[],
  keys: readonly (string | undefined)[],
  own: Readonly<Record<string, string>>,
): string {
  const all = repositories.map((repository, index) => [canonicalJson(repository as never), keys[index] ?? null]);
  return createHash('sha256')
    .update(JSON.stringify([all, own]))
    .digest('hex');
}

type Of = Pick<StoreDeps, 'secrets' | 'home'>;

async function keysOf(repositories: readonly BackupRepository[], of: Of): Promise<(string | undefined)[]> {
  return await Promise.all(
    // A key that is not there yet is made with the first copy.
    repositories.map(async (each) =>
      each.kind === 'restic' ? await readKey(each, of).catch(() => undefined) : undefined,
    ),
  );
}

/** The keys of Steward itself, by their place in its home; those of repositories stand beside their repositories. */
async function homeKeys(home: string): Promise<Record<string, string>> {
  const names = await keyFiles(home);
  const texts = await Promise.all(names.map(async (name) => [name, await readFile(join(home, name), 'utf8')] as const));
  return Object.fromEntries(texts);
}

/** Copies in the home itself are lost with it: only for those elsewhere is there something to keep. */
function leavesHome(repositories: readonly BackupRepository[], home: string): boolean {
  return repositories.some((each) => each.kind === 'restic' || !each.path.startsWith(`${home}/`));
}

const markerOf = (home: string): string => join(home, 'recovery-kit.json');

/** Makes the page, and remembers that somebody has it. */
export async function exportKit(
  repositories: readonly BackupRepository[],
  copies: readonly KitCopy[],
  { node, now, ...of }: Of & { readonly node: string; readonly now: () => Date },
): Promise<string> {
  const keys = await keysOf(repositories, of);
  const own = await homeKeys(of.home);
  const page = recoveryKit({
    node,
    at: now(),
    repositories: repositories.map((repository, index) => ({ repository, key: keys[index] })),
    copies,
    home: own,
  });
  const exported = { at: now().toISOString(), of: fingerprintOf(repositories, keys, own) };
  await writeAtomically(markerOf(of.home), `${JSON.stringify(exported)}\n`);
  return page;
}

/** Whether somebody could restore without this machine; undefined where nothing outlives it yet. */
export async function kitState(
  repositories: readonly BackupRepository[],
  of: Of,
): Promise<'exported' | 'missing' | 'outdated' | undefined> {
  const keys = await keysOf(repositories, of);
  if (keys.every((key) => key === undefined) && !leavesHome(repositories, of.home)) return undefined;
  const own = await homeKeys(of.home).catch(() => ({}));
  const text = await readFile(markerOf(of.home), 'utf8').catch(() => undefined);
  if (text === undefined) return 'missing';
  try {
    return Exported.parse(JSON.parse(text)).of === fingerprintOf(repositories, keys, own) ? 'exported' : 'outdated';
  } catch {
    return 'missing';
  }
}

/** What to tell a person about it, where there is something to tell. */
export function kitProblem(state: Awaited<ReturnType<typeof kitState>>): string | undefined {
  if (state === 'missing')
    return 'Nobody has exported the recovery kit: the keys are lost with this machine, and with them encrypted copies and what Steward sealed.';
  if (state === 'outdated') return 'The recovery kit is of other repositories or keys than there are now.';
  return undefined;
}

export const KIT_HINT = 'steward backup kit > kit.md, and keep it away from this machine.';
