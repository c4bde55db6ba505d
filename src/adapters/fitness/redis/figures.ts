import type { DatabaseLook } from '../../../core/database/look.ts';
import { infoOf } from '../../sources/redis/client.ts';
import { ALL } from './slowlog.ts';

/** Below it what the server itself needs outweighs its data, and the ratio says nothing. */
const TELLING_BYTES = 100 * 1024 ** 2;
const NEARLY_FULL = 0.9;
const SWAPPED = 0.9;

type Figures = Pick<
  DatabaseLook,
  'version' | 'databases' | 'connections' | 'replicas' | 'cacheHitRatio' | 'operations' | 'fragmentation' | 'memory'
> & {
  readonly warnings: NonNullable<DatabaseLook['warnings']>;
};

/** What INFO tells of a server. */
export function figuresOf(info: string): Figures {
  const number = (name: string): number | undefined => {
    const value = Number(infoOf(info, name) || Number.NaN);
    return Number.isFinite(value) ? value : undefined;
  };
  const usedBytes = number('used_memory') ?? 0;
  const limitBytes = number('maxmemory') || undefined;
  const limit = number('maxclients');
  const hits = number('keyspace_hits') ?? 0;
  const reads = hits + (number('keyspace_misses') ?? 0);
  const operations = number('total_commands_processed');
  const valkey = infoOf(info, 'valkey_version');
  return {
    version: valkey === undefined ? (infoOf(info, 'redis_version') ?? '') : `Valkey ${valkey}`,
    databases: [{ name: ALL, bytes: number('used_memory_dataset') ?? usedBytes, measured: false }],
    ...(limit && {
      connections: { used: number('connected_clients') ?? 0, limit, refused: number('rejected_connections') ?? 0 },
    }),
    replicas: replicasOf(info),
    ...(reads > 0 && { cacheHitRatio: hits / reads }),
    ...(operations !== undefined && { operations }),
    ...(usedBytes >= TELLING_BYTES && { fragmentation: fragmentationOf(info) }),
    memory: {
      usedBytes,
      residentBytes: number('used_memory_rss') ?? 0,
      ...(limitBytes && { limitBytes }),
      keys: [...info.matchAll(/^db\d+:keys=(\d+)/gm)].reduce((sum, [, keys]) => sum + Number(keys), 0),
      evictedKeys: number('evicted_keys') ?? 0,
    },
    warnings: warningsOf(info, { usedBytes, limitBytes }),
  };
}

/** Of what the allocator holds for data: what copies of a fork or code take is not to be won back by moving data. */
export function fragmentationOf(info: string): number {
  const [held, given] = [infoOf(info, 'allocator_resident'), infoOf(info, 'allocator_allocated')].map(Number);
  return held && given ? held / given : Number(infoOf(info, 'mem_fragmentation_ratio') ?? 0);
}

function replicasOf(info: string): NonNullable<DatabaseLook['replicas']> {
  const written = Number(infoOf(info, 'master_repl_offset') ?? 0);
  const below = [...info.matchAll(/^slave\d+:ip=(.*?),port=(\d+),state=(\w+),offset=(\d+),lag=(-?\d+)/gm)].map(
    ([, ip, port, state, offset, lag]) => ({
      name: `${ip}:${port}`,
      lagSeconds: state === 'online' && Number(lag) >= 0 ? Number(lag) : null,
      lagBytes: state === 'online' ? Math.max(0, written - Number(offset)) : null,
    }),
  );
  if (infoOf(info, 'role') !== 'slave') return below;
  // How far its master is ahead a replica cannot know: only when it heard of it last.
  const silent = infoOf(info, 'master_link_status') === 'up' ? infoOf(info, 'master_last_io_seconds_ago') : undefined;
  const name = `this server, of ${infoOf(info, 'master_host')}:${infoOf(info, 'master_port')}`;
  return [{ name, lagSeconds: silent === undefined ? null : Math.max(0, Number(silent)), lagBytes: null }, ...below];
}

function warningsOf(
  info: string,
  { usedBytes, limitBytes = 0 }: { readonly usedBytes: number; readonly limitBytes: number | undefined },
): Figures['warnings'] {
  const is = (name: string, value: string): boolean => infoOf(info, name) === value;
  const master = `${infoOf(info, 'master_host')}:${infoOf(info, 'master_port')}`;
  const known: readonly (readonly [holds: boolean, what: string, hint: string])[] = [
    [
      is('rdb_last_bgsave_status', 'err'),
      'Its last save failed, so what was written since is in memory only.',
      'Its log says why: often a full disk, or no memory for a second process. Then BGSAVE.',
    ],
    [
      is('aof_last_write_status', 'err'),
      'It cannot write its append-only file, and refuses writes.',
      'Its log says why: often a full disk.',
    ],
    [
      is('aof_last_bgrewrite_status', 'err'),
      'Its append-only file could not be rewritten, and grows.',
      'Its log says why: often a full disk, or no memory for a second process. Then BGREWRITEAOF.',
    ],
    [
      is('maxmemory_policy', 'noeviction') && limitBytes > 0 && usedBytes > limitBytes * NEARLY_FULL,
      `${Math.round((100 * usedBytes) / limitBytes)} % of maxmemory is used; at 100 % it refuses writes, since its policy is noeviction.`,
      'Give it more (maxmemory), or let what writes there set expiries.',
    ],
    [
      usedBytes >= TELLING_BYTES && Number(infoOf(info, 'mem_fragmentation_ratio') ?? 1) < SWAPPED,
      'Less memory is resident than it uses: a part of its data was swapped out.',
      'Give the machine more memory, or the server less (maxmemory).',
    ],
    [
      is('master_link_status', 'down'),
      `It is a replica of ${master}, and has no connection to it.`,
      'Its log says why: its master is not there, or masteruser and masterauth are not right.',
    ],
  ];
  return known.flatMap(([holds, what, hint]) => (holds ? [{ what, hint }] : []));
}
