import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { StewardError } from '../../core/errors.ts';
import type { MemoryGroup, MemoryPort } from '../../core/ports/memory.ts';
import { parseControlGroup } from '../procfs/cgroup.ts';
import { readProc } from '../procfs/read.ts';
import { askRedis, readRedisMemory } from './redis.ts';

const DEEPEST = 8;
/** Of one that took less than it was asked for, which its own measure shows. */
const TOOK_LESS = 'EAGAIN';
/** Redis measures itself in between its work, ten times a second as it is set up, once at least. */
const REDIS_COUNTS_WITHIN_MS = 1_100;
const KNOWS_NO_OPTION = 'EINVAL';

/** Control groups of version 2, and Redis in its own language. */
export function createMemory({
  root = '/sys/fs/cgroup',
  meminfo = () => readProc('/proc/meminfo') ?? '',
}: { readonly root?: string; readonly meminfo?: () => string } = {}): MemoryPort {
  const read = (path: string, file: string): string | undefined => {
    try {
      return readFileSync(join(root, path, file), 'utf8');
    } catch {
      return undefined;
    }
  };
  const children = (path: string): string[] => {
    try {
      return readdirSync(join(root, path), { withFileTypes: true })
        .filter((entry) => entry.isDirectory())
        .map(({ name }) => `${path}/${name}`);
    } catch {
      return [];
    }
  };
  const canSwap = (): boolean => !/^SwapTotal:\s+0 kB/m.test(meminfo());

  /** The outermost group of each unit and container; what is below belongs to it. */
  function find(path: string, depth: number, found: MemoryGroup[]): void {
    const { unit, scope, container } = parseControlGroup(`0::${path}\n`);
    if (unit === undefined && container === undefined) {
      if (depth < DEEPEST) for (const child of children(path)) find(child, depth + 1, found);
      return;
    }
    const stat = read(path, 'memory.stat');
    if (stat === undefined || !existsSync(join(root, path, 'memory.reclaim'))) return;
    found.push({
      unit,
      unitScope: scope,
      container,
      path,
      usedBytes: Number(read(path, 'memory.current') ?? 0),
      cacheBytes: Number(/^inactive_file (\d+)/m.exec(stat)?.[1] ?? 0),
    });
  }

  return {
    async groups() {
      if (!existsSync(join(root, 'cgroup.controllers')))
        return {
          groups: [],
          missing: 'This machine has control groups of version 1, which cannot be asked for memory.',
        };
      const groups: MemoryGroup[] = [];
      find('', 0, groups);
      return groups.length > 0
        ? { groups }
        : {
            groups,
            missing: 'No unit and no container has memory.reclaim: that takes Linux 5.19 and the memory controller.',
          };
    },

    async reclaim(path, bytes) {
      if (path.split('/').includes('..') || !existsSync(join(root, path, 'memory.reclaim')))
        throw new StewardError('NOT_FOUND', `There is no control group ${path} any more.`);
      // Linux 6.9 can be told to leave the memory of programs alone. An older one is asked only where nothing can be swapped.
      const asked = (text: string) => writeFile(join(root, path, 'memory.reclaim'), text, { flag: 'r+' });
      try {
        await asked(`${Math.floor(bytes)} swappiness=0`).catch(async (thrown: NodeJS.ErrnoException) => {
          if (thrown.code !== KNOWS_NO_OPTION) throw thrown;
          if (canSwap())
            throw new StewardError(
              'PRECONDITION_FAILED',
              'This kernel could swap programs out instead of dropping file cache.',
              {
                hint: 'Linux 6.9 and later can be told to leave them alone.',
              },
            );
          await asked(String(Math.floor(bytes)));
        });
      } catch (thrown) {
        const { code } = thrown as NodeJS.ErrnoException;
        if (code === TOOK_LESS) return;
        if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS')
          throw new StewardError('FORBIDDEN', `Steward may not write memory.reclaim of ${path}.`, {
            hint: 'It needs to run as root.',
            cause: thrown,
          });
        throw thrown;
      }
    },

    redis: async (login, signal) => readRedisMemory(await askRedis(login, ['INFO', 'memory'], signal)),
    async purgeRedis(login, signal) {
      await askRedis(login, ['MEMORY', 'PURGE'], signal);
      await sleep(REDIS_COUNTS_WITHIN_MS, undefined, { signal });
    },
  };
}
