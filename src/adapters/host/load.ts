import { availableParallelism } from 'node:os';
import { readProc } from '../procfs/read.ts';

export interface Load {
  readonly load1: number;
  readonly load5: number;
  readonly load15: number;
  readonly cores: number;
}

export function readLoad(
  read: (path: string) => string | undefined = readProc,
  cores: number = availableParallelism(),
): Load {
  const [load1 = 0, load5 = 0, load15 = 0] = (read('/proc/loadavg') ?? '').split(' ').slice(0, 3).map(Number);
  return { load1, load5, load15, cores };
}
