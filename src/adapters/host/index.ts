import { availableParallelism } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import type { PortStatus } from '../../core/ports.ts';
import type { HostPort } from '../../core/ports/host.ts';
import { bootId } from '../procfs/identity.ts';
import { readProc } from '../procfs/read.ts';
import { type CpuTicks, cpuPercent, readCpu } from './cpu.ts';
import { readDisks } from './disks.ts';
import { readMemory } from './memory.ts';

export interface Host extends HostPort {
  status(): Promise<PortStatus>;
}

// Less is noise: at 100 ticks a second one tick more or less would be 10 %.
const SHORTEST_MS = 100;

/** The machine as a whole, from /proc. */
export function createHost(): Host {
  let last: { readonly ticks: CpuTicks; readonly at: number } | undefined;

  // Use since the sample before; the first one waits a moment to have something to compare with.
  async function cpuSinceLast(): Promise<number> {
    const before = last ?? { ticks: readCpu() ?? { busy: 0, total: 0 }, at: performance.now() };
    const missing = SHORTEST_MS - (performance.now() - before.at);
    if (missing > 0) await sleep(missing);
    const ticks = readCpu() ?? before.ticks;
    last = { ticks, at: performance.now() };
    return cpuPercent(before.ticks, ticks);
  }

  return {
    async status() {
      return readProc('/proc/stat') === undefined
        ? { ok: false, reason: 'The machine is measured through /proc, which this one does not have.' }
        : { ok: true };
    },

    async sample() {
      const [cpu, disks] = await Promise.all([cpuSinceLast(), readDisks()]);
      const memory = readMemory();
      return {
        cpuPercent: cpu,
        load1: Number((readProc('/proc/loadavg') ?? '0').split(' ')[0]),
        cores: availableParallelism(),
        memoryTotalBytes: memory.totalBytes,
        memoryAvailableBytes: memory.availableBytes,
        disks,
        uptimeSeconds: Number((readProc('/proc/uptime') ?? '0').split(' ')[0]),
      };
    },

    async bootId() {
      return bootId();
    },
  };
}
