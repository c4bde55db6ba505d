import { stat } from 'node:fs/promises';
import type { ProbeResult, TargetOf } from '../../core/check.ts';
import { formatDuration, ms } from '../../core/duration.ts';
import { sizeInBytes } from '../../core/machine-targets.ts';
import { inWords } from './machine-probes.ts';
import { errorCode } from './network-failure.ts';
import { type ProbeOptions, answered, saw } from './result.ts';

type LogTarget = TargetOf<'log'>;

interface Sample {
  readonly atMs: number;
  readonly bytes: number;
  readonly inode: number;
}

/** A rate over less time than this is noise. */
const SHORTEST_MS = 500;

/** How a log grows needs two looks, so each target's size at the last one is remembered, and forgotten with the target. */
export function createLogProbe(now: () => Date) {
  const samples = new WeakMap<LogTarget, Sample>();

  function growthPerMinute(target: LogTarget, next: Sample): number | undefined {
    const before = samples.get(target);
    const passedMs = before ? next.atMs - before.atMs : 0;
    if (before && passedMs >= 0 && passedMs < SHORTEST_MS) return undefined;
    samples.set(target, next);
    if (!before || passedMs < 0) return undefined;
    // Rotated or emptied meanwhile: what is there now was written since.
    const fresh = before.inode !== next.inode || next.bytes < before.bytes;
    return ((fresh ? next.bytes : next.bytes - before.bytes) / passedMs) * 60_000;
  }

  return async (target: LogTarget, options: ProbeOptions): Promise<ProbeResult> => {
    const startedAt = performance.now();
    let stats;
    try {
      stats = await stat(target.path);
    } catch (thrown) {
      const code = errorCode(thrown);
      if (code === 'ENOENT') return saw('down', 'presence', `${target.path} does not exist`, startedAt, { code });
      return saw('unknown', 'presence', `Steward cannot look at ${target.path} (${code})`, startedAt, { code });
    }
    const at = now();
    const perMinute = growthPerMinute(target, { atMs: performance.now(), bytes: stats.size, inode: stats.ino });
    const idleMs = Math.max(0, at.getTime() - stats.mtimeMs);
    const rate = perMinute === undefined ? '' : `, ${inWords(Math.round(perMinute))} a minute`;
    const detail = {
      bytes: stats.size,
      writtenAt: stats.mtime.toISOString(),
      bytesPerMinute: perMinute === undefined ? null : Math.round(perMinute),
    };
    const degraded = (message: string): ProbeResult => saw('degraded', 'query', message, startedAt, detail);
    if (target.maxSize !== undefined && stats.size > sizeInBytes(target.maxSize))
      return degraded(
        `${target.path} has ${inWords(stats.size)}, expected at most ${inWords(sizeInBytes(target.maxSize))}`,
      );
    if (target.maxPerMinute !== undefined && perMinute !== undefined && perMinute > sizeInBytes(target.maxPerMinute))
      return degraded(
        `${target.path} grows by ${inWords(Math.round(perMinute))} a minute, expected at most ${inWords(sizeInBytes(target.maxPerMinute))}`,
      );
    if (target.maxIdle !== undefined && idleMs > ms(target.maxIdle))
      return degraded(
        `nothing was written to ${target.path} for ${formatDuration(idleMs)}, expected within ${target.maxIdle}`,
      );
    return answered('query', `${inWords(stats.size)}${rate}`, startedAt, options, detail);
  };
}
