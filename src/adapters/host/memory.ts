import { readProc } from '../procfs/read.ts';

export interface Memory {
  readonly totalBytes: number;
  readonly availableBytes: number;
}

/**
 * The memory there is to use. Only the limit of the outermost control group that can be seen counts: in a container that is
 * the container's, on a machine there is none, and the limit of Steward's own unit says nothing about the machine.
 */
export function readMemory(read: (path: string) => string | undefined = readProc): Memory {
  const info = read('/proc/meminfo') ?? '';
  const bytes = (name: string) => Number(new RegExp(`^${name}: +(\\d+) kB`, 'm').exec(info)?.[1] ?? 0) * 1024;
  const totalBytes = bytes('MemTotal');
  const availableBytes = bytes('MemAvailable');
  const group = readGroup(read);
  if (!group || group.limit >= totalBytes) return { totalBytes, availableBytes };
  return { totalBytes: group.limit, availableBytes: Math.max(0, Math.min(availableBytes, group.limit - group.used)) };
}

function readGroup(read: (path: string) => string | undefined): { limit: number; used: number } | undefined {
  const v2 = '/sys/fs/cgroup';
  const v1 = '/sys/fs/cgroup/memory';
  const [limit, usage, stat] =
    read(`${v2}/memory.max`) === undefined
      ? [read(`${v1}/memory.limit_in_bytes`), read(`${v1}/memory.usage_in_bytes`), read(`${v1}/memory.stat`)]
      : [read(`${v2}/memory.max`), read(`${v2}/memory.current`), read(`${v2}/memory.stat`)];
  const max = Number(limit?.trim());
  if (!limit || !Number.isFinite(max)) return undefined;
  // Cached pages that can be dropped at any time.
  const cache = Number(/^(?:total_)?inactive_file (\d+)/m.exec(stat ?? '')?.[1] ?? 0);
  return { limit: max, used: Math.max(0, Number(usage?.trim() ?? 0) - cache) };
}
