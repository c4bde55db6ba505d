import { lstat, readdir } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { matchesGlob } from '../../../core/glob.ts';
import { byName } from '../order.ts';

/** `~` is the home of whoever runs Steward; everything else starts at the root. */
export function absolute(pattern: string): string {
  return resolve('/', pattern === '~' || pattern.startsWith('~/') ? homedir() + pattern.slice(1) : pattern);
}

/**
 * Whether a path is left out. A pattern with a slash is of whole paths, in which * stands for a part of one name and ** for any
 * number of folders; one without is of names, wherever they are. What is below something left out is, too.
 */
export function createExcluder(patterns: readonly string[]): (path: string) => boolean {
  const names = patterns.filter((pattern) => !/[/~]/.test(pattern));
  const whole = patterns.filter((pattern) => /[/~]/.test(pattern)).map(absolute);
  // Asked for every file there is: most patterns are plain paths.
  const plain = whole.filter((pattern) => !pattern.includes('*'));
  const shaped = whole.filter((pattern) => pattern.includes('*')).map((pattern) => pattern.split('/'));
  return (path) => {
    if (plain.some((above) => isWithin(path, above))) return true;
    if (names.length > 0) {
      const name = path.slice(path.lastIndexOf('/') + 1);
      if (names.some((pattern) => matchesGlob(pattern, name))) return true;
    }
    if (shaped.length === 0) return false;
    const parts = path.split('/');
    return shaped.some((pattern) => fits(pattern, parts));
  };
}

/** Whether a pattern can hit anything of the roots: a repository asks each of its patterns for each file. */
export function createMayHit(roots: readonly string[]): (pattern: string) => boolean {
  return (pattern) => {
    if (pattern.includes('*') || !/[/~]/.test(pattern)) return true;
    const path = absolute(pattern);
    return roots.some((root) => isWithin(path, root) || isWithin(root, path));
  };
}

function isWithin(path: string, above: string): boolean {
  return above === '/' || (path.startsWith(above) && (path.length === above.length || path[above.length] === '/'));
}

/** Whether the pattern fits the path or a folder above it. */
function fits(pattern: readonly string[], path: readonly string[]): boolean {
  const [first, ...rest] = pattern;
  if (first === undefined) return true;
  if (first === '**') return rest.length === 0 ? path.length > 0 : path.some((_, at) => fits(rest, path.slice(at)));
  const [name, ...below] = path;
  return name !== undefined && matchesGlob(first, name) && fits(rest, below);
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
