import { StewardError } from '../../core/errors.ts';
import type { MemoryGroup, MemoryPort, RedisLogin, RedisMemory } from '../../core/ports/memory.ts';

export interface FakeMemory extends MemoryPort {
  addGroup(part: Partial<MemoryGroup> & { readonly path: string }): void;
  addRedis(port: number, memory: RedisMemory): void;
  /** Nothing is given back from here on, though everybody says yes. */
  stubborn(): void;
  missing(why: string): void;
  readonly reclaimed: readonly { readonly path: string; readonly bytes: number }[];
  readonly purged: readonly RedisLogin[];
}

/** Groups and Redis servers in memory. What they give back is told to `freed`. */
export function fakeMemory({ freed = () => undefined }: { readonly freed?: (bytes: number) => void } = {}): FakeMemory {
  const groups = new Map<string, MemoryGroup>();
  const servers = new Map<number, RedisMemory>();
  const reclaimed: { path: string; bytes: number }[] = [];
  const purged: RedisLogin[] = [];
  let isStubborn = false;
  let why: string | undefined;
  const serverAt = ({ port }: RedisLogin): RedisMemory => {
    const server = servers.get(port);
    if (!server) throw new StewardError('UNAVAILABLE', `Redis at ${port} does not answer.`);
    return server;
  };
  return {
    reclaimed,
    purged,
    stubborn: () => void (isStubborn = true),
    missing: (reason) => void (why = reason),
    addGroup(part) {
      const group = { unit: undefined, unitScope: undefined, container: undefined, usedBytes: 1e9, cacheBytes: 5e8 };
      groups.set(part.path, { ...group, ...part });
    },
    addRedis: (port, memory) => void servers.set(port, memory),
    async groups() {
      return { groups: [...groups.values()], missing: why };
    },
    async reclaim(path, bytes) {
      const group = groups.get(path);
      if (!group) throw new StewardError('NOT_FOUND', `There is no control group ${path} any more.`);
      reclaimed.push({ path, bytes });
      if (isStubborn) return;
      const taken = Math.min(bytes, group.cacheBytes);
      groups.set(path, { ...group, usedBytes: group.usedBytes - taken, cacheBytes: group.cacheBytes - taken });
      freed(taken);
    },
    redis: async (login) => serverAt(login),
    async purgeRedis(login) {
      const server = serverAt(login);
      purged.push(login);
      if (isStubborn) return;
      servers.set(login.port, { ...server, residentBytes: server.residentBytes - server.spareBytes, spareBytes: 0 });
      freed(server.spareBytes);
    },
  };
}
