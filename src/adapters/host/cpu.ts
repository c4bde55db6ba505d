import { readProc } from '../procfs/read.ts';

export interface CpuTicks {
  readonly busy: number;
  readonly total: number;
}

/** All cores together since boot, from the first line of /proc/stat. */
export function parseCpu(text: string): CpuTicks | undefined {
  const fields = /^cpu +(.+)$/m.exec(text)?.[1]?.split(' ').map(Number);
  if (!fields || fields.length < 4) return undefined;
  // Guests are counted in user and nice already. Waiting for a disk is idle time.
  const total = fields.slice(0, 8).reduce((sum, ticks) => sum + ticks, 0);
  const idle = (fields[3] ?? 0) + (fields[4] ?? 0);
  return { busy: total - idle, total };
}

export function readCpu(): CpuTicks | undefined {
  return parseCpu(readProc('/proc/stat') ?? '');
}

/** Share of all cores that was in use between two readings, 0 to 100. */
export function cpuPercent(before: CpuTicks, after: CpuTicks): number {
  const total = after.total - before.total;
  if (total <= 0) return 0;
  return Math.min(100, Math.max(0, ((after.busy - before.busy) / total) * 100));
}
