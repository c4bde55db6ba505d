import { readProc } from '../procfs/read.ts';
import { readGroupMemory } from './group-memory.ts';

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
  const group = readGroupMemory('/', read);
  if (!group || group.limitBytes >= totalBytes) return { totalBytes, availableBytes };
  const { limitBytes, usedBytes } = group;
  return { totalBytes: limitBytes, availableBytes: Math.max(0, Math.min(availableBytes, limitBytes - usedBytes)) };
}
