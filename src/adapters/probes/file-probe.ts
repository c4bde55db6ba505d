import { glob, stat } from 'node:fs/promises';
import type { Stats } from 'node:fs';
import type { ProbeResult, TargetOf } from '../../core/check.ts';
import { formatDuration, ms } from '../../core/duration.ts';
import { sizeInBytes } from '../../core/machine-targets.ts';
import { inWords } from './machine-probes.ts';
import { errorCode } from './network-failure.ts';
import { type ProbeOptions, answered, saw } from './result.ts';

type FileTarget = TargetOf<'file'>;
interface Found {
  readonly path: string;
  readonly stats: Stats;
  readonly of: number;
}

const PATTERN = /[*?[{]/;
const MOST_FILES = 10_000;

/** Looks at the names and dates of files and never into them. */
export async function probeFile(target: FileTarget, options: ProbeOptions, now: () => Date): Promise<ProbeResult> {
  const startedAt = performance.now();
  let found: Found | undefined;
  try {
    found = PATTERN.test(target.path) ? await newestOf(target.path, options.signal) : await one(target.path);
  } catch (thrown) {
    const code = errorCode(thrown);
    return saw('unknown', 'presence', `Steward cannot look at ${target.path} (${code || String(thrown)})`, startedAt, {
      code,
    });
  }
  if (!target.exists)
    return found
      ? saw('down', 'query', `${found.path} exists`, startedAt)
      : answered('query', `${target.path} does not exist`, startedAt, options);
  if (!found) return saw('down', 'query', `${target.path}: there is no such file`, startedAt);
  const { path, stats, of } = found;
  const ageMs = now().getTime() - stats.mtimeMs;
  const detail = { path, bytes: stats.size, modifiedAt: stats.mtime.toISOString(), of };
  const down = (message: string): ProbeResult => saw('down', 'query', message, startedAt, detail);
  const age = `${path} is ${formatDuration(Math.max(0, ageMs))} old`;
  if (target.maxAge !== undefined && ageMs > ms(target.maxAge)) return down(`${age}, expected within ${target.maxAge}`);
  if (target.minSize !== undefined && stats.size < sizeInBytes(target.minSize))
    return down(`${path} has ${inWords(stats.size)}, expected at least ${inWords(sizeInBytes(target.minSize))}`);
  if (target.maxSize !== undefined && stats.size > sizeInBytes(target.maxSize))
    return down(`${path} has ${inWords(stats.size)}, expected at most ${inWords(sizeInBytes(target.maxSize))}`);
  return answered('query', `${age} and has ${inWords(stats.size)}`, startedAt, options, detail);
}

async function one(path: string): Promise<Found | undefined> {
  const stats = await statOf(path);
  return stats && { path, stats, of: 1 };
}

async function newestOf(pattern: string, signal: AbortSignal): Promise<Found | undefined> {
  let newest: { path: string; stats: Stats } | undefined;
  let of = 0;
  for await (const path of glob(pattern)) {
    if (signal.aborted || of >= MOST_FILES) break;
    const stats = await statOf(path);
    if (!stats?.isFile()) continue;
    of += 1;
    if (!newest || stats.mtimeMs > newest.stats.mtimeMs) newest = { path, stats };
  }
  return newest && { ...newest, of };
}

async function statOf(path: string): Promise<Stats | undefined> {
  try {
    return await stat(path);
  } catch (thrown) {
    if (['ENOENT', 'ENOTDIR'].includes(errorCode(thrown))) return undefined;
    throw thrown;
  }
}
