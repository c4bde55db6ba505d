import type { CheckTarget } from '../../core/check.ts';
import { StewardError } from '../../core/errors.ts';
import type { Ports } from '../../core/ports.ts';
import type { RedisLogin } from '../../core/ports/memory.ts';
import type { Resource } from '../../core/resource.ts';
import type { SecretReference } from '../../core/secrets.ts';

type RedisTarget = Extract<CheckTarget, { kind: 'redis' }>;
type Secret = (reference: SecretReference) => Promise<string>;

/** Less is not worth a command. */
const WORTH_BYTES = 8 * 1024 ** 2;
/** Of one group at once: the kernel looks for it while others wait for the same disk. */
const MOST_BYTES = 1024 ** 3;

export interface Relief {
  readonly id: string;
  readonly title: string;
  readonly reason: string;
  readonly bytes: number;
  /** All that it holds, as the kernel counts it. */
  readonly heldBytes: number;
  readonly resourceId: string;
  /** Of a control group; null: its Redis. */
  readonly path: string | null;
}

type Needed = Pick<Ports, 'inventory' | 'checks' | 'memory'>;

/** What can give memory back, the most first, and what could not be asked. */
export async function findRelief(
  resource: Resource,
  ports: Needed,
  secret: Secret,
  signal: AbortSignal,
): Promise<{ items: Relief[]; blind: string[] }> {
  const members =
    resource.kind === 'node'
      ? (await ports.inventory.find({ node: resource.node })).filter(({ adoption }) => adoption === 'adopted')
      : [resource];
  const { groups, missing } = await ports.memory.groups();
  const blind = missing === undefined ? [] : [missing];
  const items: Relief[] = [];
  for (const member of members) {
    const { id, name, supervisor } = member;
    for (const { path, unit, unitScope, container, usedBytes, cacheBytes } of groups) {
      const isOwn =
        (supervisor.kind === 'systemd' && unit === supervisor.unit && (unitScope ?? 'system') === supervisor.scope) ||
        (supervisor.kind === 'docker' && container === supervisor.container);
      const bytes = Math.min(cacheBytes, MOST_BYTES);
      if (!isOwn || bytes < WORTH_BYTES) continue;
      items.push({
        id: `cache-${id}`,
        title: `Have the kernel drop file cache of ${name}`,
        reason: 'It holds files that nobody read lately. The kernel counts most of that as available already.',
        bytes,
        heldBytes: usedBytes,
        resourceId: id,
        path,
      });
    }
    try {
      const login = await redisOf(member, ports, secret);
      if (!login) continue;
      const { spareBytes, residentBytes } = await ports.memory.redis(login, signal);
      if (spareBytes < WORTH_BYTES) continue;
      items.push({
        id: `redis-${id}`,
        title: `Have Redis ${name} give back what holds no data (MEMORY PURGE)`,
        reason: 'Its allocator kept the pages of what was deleted.',
        bytes: spareBytes,
        heldBytes: residentBytes,
        resourceId: id,
        path: null,
      });
    } catch (thrown) {
      signal.throwIfAborted();
      blind.push(StewardError.from(thrown).message);
    }
  }
  return { items: items.toSorted((a, b) => b.bytes - a.bytes), blind };
}

/** As its check reaches it; without a password only where the check has none to name. */
export async function redisOf(
  resource: Resource,
  { checks }: Pick<Ports, 'checks'>,
  secret: Secret,
): Promise<RedisLogin | undefined> {
  const target = (await checks.of(resource))
    .map((check) => check.target)
    .find((each): each is RedisTarget => each.kind === 'redis');
  if (!target) return undefined;
  const { host, port, user, password } = target;
  return {
    host,
    port,
    ...(user !== undefined && { user }),
    ...(password !== undefined && { password: await secret(password) }),
  };
}

/** What the thing holds as the kernel counts it; undefined where it is gone. */
export async function heldBy(
  { path, resourceId }: Pick<Relief, 'path' | 'resourceId'>,
  ports: Needed,
  secret: Secret,
  signal: AbortSignal,
): Promise<number | undefined> {
  if (path !== null) return (await ports.memory.groups()).groups.find((group) => group.path === path)?.usedBytes;
  const resource = await ports.inventory.get(resourceId);
  const login = resource && (await redisOf(resource, ports, secret));
  return login && (await ports.memory.redis(login, signal)).residentBytes;
}
