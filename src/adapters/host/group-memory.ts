/** What a control group may hold of memory, and holds besides the cached pages that the kernel drops before anything else. */
export interface GroupMemory {
  readonly limitBytes: number;
  readonly usedBytes: number;
}

type Read = (path: string) => string | undefined;

const V2 = '/sys/fs/cgroup';
const V1 = '/sys/fs/cgroup/memory';
/** Version 1 says of a group without a limit the largest number of pages that it knows. */
const NO_LIMIT = 2 ** 60;

/** Of the group at this path of the hierarchy; undefined where it has no limit, or cannot be seen from here. */
export function readGroupMemory(path: string, read: Read): GroupMemory | undefined {
  const at = path === '/' ? '' : path;
  const max = read(`${V2}${at}/memory.max`);
  const [limit, usage, stat] =
    max === undefined
      ? [
          read(`${V1}${at}/memory.limit_in_bytes`),
          read(`${V1}${at}/memory.usage_in_bytes`),
          read(`${V1}${at}/memory.stat`),
        ]
      : [max, read(`${V2}${at}/memory.current`), read(`${V2}${at}/memory.stat`)];
  const limitBytes = Number(limit?.trim());
  if (!limit || !Number.isFinite(limitBytes) || limitBytes <= 0 || limitBytes >= NO_LIMIT) return undefined;
  const cache = Number(/^(?:total_)?inactive_file (\d+)/m.exec(stat ?? '')?.[1] ?? 0);
  return { limitBytes, usedBytes: Math.max(0, Number(usage?.trim() ?? 0) - cache) };
}

/** Of the group that a process is in, as /proc/<pid>/cgroup says. */
export function groupMemoryOf(pid: number, read: Read): GroupMemory | undefined {
  const lines = (read(`/proc/${pid}/cgroup`) ?? '').split('\n').map((line) => line.split(':'));
  const line =
    lines.find(([, controllers]) => controllers?.split(',').includes('memory')) ??
    lines.find(([, controllers]) => controllers === '');
  return line === undefined ? undefined : readGroupMemory(line.slice(2).join(':'), read);
}
