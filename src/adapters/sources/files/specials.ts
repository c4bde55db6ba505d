import { readdir } from 'node:fs/promises';
import { createExcluder } from './patterns.ts';
import { kernelMounts } from './walk.ts';

export interface SpecialsJob {
  readonly roots: readonly string[];
  readonly exclude: readonly string[];
  /** Those of the excludes of which a repository has to be told by path what they hit. */
  readonly named: readonly string[];
}

/**
 * Sockets, pipes and devices, which no copy should have, and what else a repository has to be told by its path; by what the
 * folders say of their entries, which takes less than a thread takes to start.
 */
export async function findSpecials({ roots, exclude, named }: SpecialsJob, signal: AbortSignal): Promise<string[]> {
  const [excluded, byPath] = [createExcluder(exclude), createExcluder(named)];
  const kernel = new Set(kernelMounts());
  const found = [...kernel];
  const waiting = [...roots];
  for (let folder = waiting.pop(); folder !== undefined; folder = waiting.pop()) {
    if (kernel.has(folder)) continue;
    signal.throwIfAborted();
    for (const entry of await entriesOf(folder)) {
      const path = folder === '/' ? `/${entry.name}` : `${folder}/${entry.name}`;
      if (byPath(path)) found.push(path);
      else if (entry.isFile() || entry.isSymbolicLink() || excluded(path)) continue;
      else if (entry.isDirectory()) waiting.push(path);
      else found.push(path);
    }
  }
  return found;
}

async function entriesOf(folder: string) {
  // A file, or one that may not be looked into, which the walk tells.
  return await readdir(folder, { withFileTypes: true }).catch(() => []);
}
