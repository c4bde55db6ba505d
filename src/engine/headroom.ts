import { setTimeout as sleep } from 'node:timers/promises';
import { formatDuration } from '../core/duration.ts';
import type { Log } from '../core/log.ts';
import type { HostPort, HostSample } from '../core/ports/host.ts';
import { fallback } from '../safeguards/fallback.ts';
import type { EngineDeps } from './engine-deps.ts';
import type { AdmissionOptions, Claim } from './slots.ts';

export interface HeadroomOptions {
  readonly host: Pick<HostPort, 'sample'>;
  readonly log: Log;
  /** Busier than this, and work that computes waits. */
  readonly cpuPercent?: number | undefined;
  /** Less than this available, and every heavy work waits: what one program may use. */
  readonly memoryBytes?: (() => number) | undefined;
  /** So long, and it begins all the same: waiting for ever would be a failure that nobody sees. */
  readonly atMostMs?: number | undefined;
  readonly lookEveryMs?: number | undefined;
}

const CPU_PERCENT = 80;
const MEMORY_BYTES = 512 * 1024 ** 2;
const AT_MOST_MS = 5 * 60_000;
const LOOK_EVERY_MS = 2_000;
const FIRST_LOOK_MS = 500;

export function headroomOf({
  host,
  log,
  programMemory,
}: Pick<EngineDeps, 'host' | 'log' | 'programMemory'>): AdmissionOptions['headroom'] {
  return host && createHeadroom({ host, log, memoryBytes: programMemory });
}

/** Holds heavy work back while the machine has no room for it. */
export function createHeadroom({
  host,
  log,
  cpuPercent = CPU_PERCENT,
  memoryBytes = () => MEMORY_BYTES,
  atMostMs = AT_MOST_MS,
  lookEveryMs = LOOK_EVERY_MS,
}: HeadroomOptions): (claim: Claim, signal: AbortSignal) => Promise<void> {
  function shortage({ load }: Claim, sample: HostSample): string | undefined {
    if (load === 'cpu' && sample.cpuPercent > cpuPercent)
      return `the CPU is ${Math.round(sample.cpuPercent)} % busy, and heavy work begins below ${cpuPercent} %`;
    // A machine that never has that much would never do anything heavy.
    const wanted = Math.min(memoryBytes(), sample.memoryTotalBytes / 4);
    if (sample.memoryAvailableBytes < wanted)
      return `${megabytes(sample.memoryAvailableBytes)} of memory are available, and heavy work begins with ${megabytes(wanted)}`;
    return undefined;
  }

  return async (claim, signal) => {
    const ends = performance.now() + atMostMs;
    // The share of the CPU is one between two looks, and the last one may be long ago.
    if (claim.load === 'cpu') {
      await host.sample();
      await sleep(Math.min(FIRST_LOOK_MS, lookEveryMs), undefined, { signal });
    }
    let told = false;
    for (;;) {
      const reason = await fallback(
        async () => shortage(claim, await host.sample()),
        // A machine that cannot be measured is no reason to do nothing.
        () => undefined,
        { log, what: 'headroom of this machine' },
      );
      if (reason === undefined) return;
      if (performance.now() >= ends) {
        log.warn('heavy work begins though the machine is short', { reason, waited: formatDuration(atMostMs) });
        return;
      }
      if (!told) log.info('heavy work waits for the machine', { reason, partition: claim.partition });
      told = true;
      claim.told?.(`Waits at most ${formatDuration(atMostMs)}: ${reason}.`);
      await sleep(lookEveryMs, undefined, { signal });
    }
  };
}

function megabytes(bytes: number): string {
  return `${Math.round(bytes / 1024 ** 2)} MB`;
}
