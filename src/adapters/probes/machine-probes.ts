import type { Problem, ProbeResult, TargetOf } from '../../core/check.ts';
import type { DiskSpace, MachineGauges } from '../../core/ports/gauges.ts';
import { sizeInBytes } from '../../core/machine-targets.ts';
import type { Grown } from './memory-growth.ts';
import { type ProbeOptions, answered, saw } from './result.ts';

type SpaceTarget = TargetOf<'disk'> | TargetOf<'inodes'>;

interface Usage {
  readonly disk: DiskSpace;
  readonly percent: number;
  readonly free: string;
  readonly tooLittle: boolean;
}

const HEAL: Readonly<Record<SpaceTarget['kind'], Problem>> = { disk: 'disk.full', inodes: 'inodes.full' };

/** The fullest disk speaks; below the step where healing acts, a warning is all that there is. */
export async function probeSpace(
  target: SpaceTarget,
  gauges: MachineGauges,
  options: ProbeOptions,
): Promise<ProbeResult> {
  const startedAt = performance.now();
  const one = target.path === undefined ? undefined : await gauges.diskOf(target.path);
  if (target.path !== undefined && !one) return saw('down', 'presence', `${target.path} does not exist`, startedAt);
  const usages = (one ? [one] : await gauges.disks())
    .flatMap((disk) => usageOf(target, disk) ?? [])
    .toSorted((a, b) => Number(b.tooLittle) - Number(a.tooLittle) || b.percent - a.percent);
  const [worst] = usages;
  const noun = target.kind === 'disk' ? 'full' : 'out of inodes';
  if (!worst) return answered('query', `no disk that could be ${noun}`, startedAt, options);
  const { disk, percent, free } = worst;
  const message = `${disk.mount} is ${percent} % ${target.kind === 'disk' ? 'full' : 'full of files'}, ${free} left`;
  const detail = {
    mount: disk.mount,
    device: disk.device,
    usedPercent: percent,
    freeBytes: disk.freeBytes,
    freeInodes: disk.freeInodes,
    // Each that is above, so that none hides behind the worst.
    above: usages
      .filter(isAbove(target))
      .map((usage) => `${usage.disk.mount} ${usage.percent} %`)
      .join(', '),
  };
  if (percent >= target.heal || worst.tooLittle)
    return { ...saw('degraded', 'query', message, startedAt, detail), problem: HEAL[target.kind] };
  if (percent >= target.warn) return saw('degraded', 'query', message, startedAt, detail);
  return answered('query', message, startedAt, options, detail);
}

function isAbove({ warn }: SpaceTarget) {
  return ({ percent, tooLittle }: Usage): boolean => percent >= warn || tooLittle;
}

function usageOf(target: SpaceTarget, disk: DiskSpace): Usage | undefined {
  if (target.kind === 'inodes') {
    // Some file systems make inodes as they go, and say that they have none.
    if (disk.totalInodes <= 0) return undefined;
    const percent = rounded((disk.totalInodes - disk.freeInodes) / disk.totalInodes);
    return { disk, percent, free: `${disk.freeInodes} inodes`, tooLittle: false };
  }
  // As df counts: what is kept for root is neither used nor left.
  const reachable = disk.usedBytes + disk.freeBytes;
  if (reachable <= 0) return undefined;
  const tooLittle = target.minFree !== undefined && disk.freeBytes < sizeInBytes(target.minFree);
  return { disk, percent: rounded(disk.usedBytes / reachable), free: inWords(disk.freeBytes), tooLittle };
}

/** Less is what programs do; more may be what filled the memory. */
const GROWN_SHARE = 0.05;

export async function probeMemory(
  { warn, heal }: TargetOf<'memory'>,
  gauges: MachineGauges,
  options: ProbeOptions,
  growth?: { sample(): Promise<void>; most(): Promise<Grown | undefined> },
): Promise<ProbeResult> {
  const startedAt = performance.now();
  const { totalBytes, availableBytes } = gauges.memory();
  if (totalBytes <= 0) return saw('unknown', 'presence', 'the memory of this machine cannot be read', startedAt);
  const percent = rounded((totalBytes - availableBytes) / totalBytes);
  const message = `memory is ${percent} % in use, ${inWords(availableBytes)} available`;
  const detail = { usedPercent: percent, availableBytes, totalBytes };
  if (percent > heal) {
    const grown = await growth?.most();
    const isMuch = grown !== undefined && grown.bytes >= totalBytes * GROWN_SHARE;
    return {
      ...saw(
        'degraded',
        'query',
        isMuch ? `${message}; ${grown.holder} grew by ${inWords(grown.bytes)} within the hour` : message,
        startedAt,
        { ...detail, ...(isMuch && { grown: grown.holder, grownBytes: grown.bytes }) },
      ),
      problem: 'memory.high',
    };
  }
  await growth?.sample();
  if (percent > warn) return saw('degraded', 'query', message, startedAt, detail);
  return answered('query', message, startedAt, options, detail);
}

/** The average of five minutes: one of a minute is above whenever something is compiled. */
export function probeLoad({ perCore }: TargetOf<'load'>, gauges: MachineGauges, options: ProbeOptions): ProbeResult {
  const startedAt = performance.now();
  const { load1, load5, load15, cores } = gauges.load();
  const each = Math.round((load5 / Math.max(1, cores)) * 100) / 100;
  const message = `load is ${each} for each of ${cores} cores`;
  const detail = { perCore: each, load1, load5, load15, cores };
  if (each > perCore) return { ...saw('degraded', 'query', message, startedAt, detail), problem: 'load.high' };
  return answered('query', message, startedAt, options, detail);
}

function rounded(share: number): number {
  return Math.round(share * 1_000) / 10;
}

export function inWords(bytes: number): string {
  const units = ['bytes', 'KB', 'MB', 'GB', 'TB'];
  const power = Math.min(units.length - 1, bytes < 1 ? 0 : Math.floor(Math.log2(bytes) / 10));
  return `${Math.round((bytes / 1024 ** power) * 10) / 10} ${units[power]}`;
}
