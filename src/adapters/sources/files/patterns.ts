import { lstat, readdir } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { createExcluder as excludesPaths, isWithin } from '../../../core/backup/excludes.ts';
import { matchesGlob } from '../../../core/glob.ts';
import { byName } from '../order.ts';

/** `~` is the home of whoever runs Steward; everything else starts at the root. */
export function absolute(pattern: string): string {
  return resolve('/', pattern === '~' || pattern.startsWith('~/') ? homedir() + pattern.slice(1) : pattern);
}

const isWhole = (pattern: string): boolean => /[/~]/.test(pattern);

/** As `excludesPaths`, with `~` in it. */
export function createExcluder(patterns: readonly string[]): (path: string) => boolean {
  return excludesPaths(patterns.map((pattern) => (isWhole(pattern) ? absolute(pattern) : pattern)));
}

/** Whether a pattern can hit anything of the roots: a repository asks each of its patterns for each file. */
export function createMayHit(roots: readonly string[]): (pattern: string) => boolean {
  return (pattern) => {
    if (pattern.includes('*') || !isWhole(pattern)) return true;
    const path = absolute(pattern);
    return roots.some((root) => isWithin(path, root) || isWithin(root, path));
  };
}

/**
 * What is there of the patterns, each once, in the order of `byName`, nothing below another one. What a pattern finds nothing
 * for is told with it.
 */
export async function expandPaths(
  patterns: readonly string[],
): Promise<{ readonly roots: readonly string[]; readonly nothing: readonly string[] }> {
  const found = new Set<string>();
  const nothing: string[] = [];
  for (const pattern of patterns) {
    const before = found.size;
    const matches = await expand('/', absolute(pattern).split('/').filter(Boolean));
    for (const path of matches) found.add(path);
    if (matches.length === 0 && found.size === before) nothing.push(pattern);
  }
  const roots: string[] = [];
  for (const path of [...found].toSorted(byName)) {
    const last = roots.at(-1);
    if (last === undefined || !isWithin(path, last)) roots.push(path);
  }
  return { roots, nothing };
}

async function expand(folder: string, parts: readonly string[]): Promise<string[]> {
  const [first, ...rest] = parts;
  if (first === undefined) return [folder];
  if (first === '**') {
    const here = await expand(folder, rest);
    const below = await Promise.all((await foldersIn(folder)).map((name) => expand(join(folder, name), parts)));
    return [...here, ...below.flat()];
  }
  if (!first.includes('*')) {
    const path = join(folder, first);
    if (rest.length > 0) return expand(path, rest);
    return (await there(path)) ? [path] : [];
  }
  const names = (await readdir(folder).catch(() => [])).filter((name) => matchesGlob(first, name));
  const deeper = await Promise.all(names.map((name) => expand(join(folder, name), rest)));
  return deeper.flat();
}

/** Links are not followed: a circle of them has no end. */
async function foldersIn(folder: string): Promise<string[]> {
  if (KERNEL.has(folder)) return [];
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  return entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
}
const KERNEL = new Set(['/proc', '/sys', '/dev']);

/** A link that leads nowhere is there all the same. */
async function there(path: string): Promise<boolean> {
  return (await lstat(path).catch(() => undefined)) !== undefined;
}
