import { matchesGlob } from '../glob.ts';

/**
 * Whether a path is left out. A pattern with a slash is of whole paths, in which * stands for a part of one name and ** for any
 * number of folders; one without is of names, wherever they are. What is below something left out is, too.
 */
export function createExcluder(patterns: readonly string[]): (path: string) => boolean {
  const names = patterns.filter((pattern) => !pattern.includes('/'));
  const whole = patterns.filter((pattern) => pattern.includes('/'));
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

export function isWithin(path: string, above: string): boolean {
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
