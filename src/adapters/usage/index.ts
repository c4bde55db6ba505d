import type { Usage, UsagePort, UsedBy } from '../../core/ports/usage.ts';
import type { Supervisor } from '../../core/resource.ts';
import { parseControlGroup } from '../procfs/cgroup.ts';
import { breathe, readProc } from '../procfs/read.ts';
import { type ProcessStat, readStat, TICKS_PER_SECOND } from '../procfs/stat.ts';
import { type GroupPlace, outermost, pidsOfGroup, placeOf, readGroup } from './group-usage.ts';
import { createMainBook, type MainBook } from './main-book.ts';
import { cpuSecondsOf, familyOf, memoryBytesOf, readTree } from './process-usage.ts';

/** A look is a few files for each; after so many of them others get their turn. */
const AT_ONCE = 20;
/** A restart looks for the oldest process of a group among so many. */
const MOST_LOOKED_AT = 100;

/**
 * Containers and units by the files of their control groups, which cost three reads and no question to an engine; other services,
 * and those whose groups cannot be seen from here, by their processes.
 */
export function createUsage({ now }: { readonly now: () => Date }): UsagePort {
  const places = new Map<string, GroupPlace>();
  const mains = createMainBook();

  /** A restart leads to the same place: what was learned once stays true while nobody lives there. */
  function ofGroup(service: UsedBy): Usage | undefined {
    const { id, supervisor, pids } = service;
    if (supervisor.kind !== 'docker' && supervisor.kind !== 'systemd') return undefined;
    let place = places.get(id);
    let found = place && readGroup(place, readProc);
    if (!found) {
      place = placeFrom(pids, supervisor);
      found = place && readGroup(place, readProc);
      if (place) places.set(id, place);
    }
    if (!place || !found) return undefined;
    const its = place;
    const members = (): ProcessStat[] =>
      [...pidsOfGroup(its, readProc).slice(0, MOST_LOOKED_AT), ...pids.filter((pid) => isOf(supervisor, pid))].flatMap(
        (pid) => readStat(pid) ?? [],
      );
    return mains.lives(id, pids[0], members) ? { ...found, restarts: mains.restarts(id) } : undefined;
  }

  return {
    async of(services) {
      const usages = new Map<string, Usage>();
      const others: UsedBy[] = [];
      mains.keepOnly(services.map(({ id }) => id));
      for (const id of places.keys()) if (!services.some((service) => service.id === id)) places.delete(id);
      await breathe(
        services,
        (service) => {
          const usage = ofGroup(service);
          if (usage) usages.set(service.id, usage);
          else if (service.pids.length > 0) others.push(service);
        },
        AT_ONCE,
      );
      if (others.length > 0)
        for (const [id, usage] of await ofProcesses(others, services, { mains, now })) usages.set(id, usage);
      return usages;
    },
  };
}

async function ofProcesses(
  asked: readonly UsedBy[],
  all: readonly UsedBy[],
  { mains, now }: { readonly mains: MainBook; readonly now: () => Date },
): Promise<Map<string, Usage>> {
  const tree = await readTree();
  const ownerOf = new Map(all.flatMap(({ id, pids }) => pids.map((pid) => [pid, id] as const)));
  const bootedAt = now().getTime() - Number(readProc('/proc/uptime')?.split(' ')[0] ?? 0) * 1_000;
  const usages = new Map<string, Usage>();
  for (const { id, pids, lastSeen } of asked) {
    // What began after discovery looked last is somebody who got the number of a process that ended.
    const isIts = ({ startTicks }: ProcessStat): boolean =>
      bootedAt + (startTicks / TICKS_PER_SECOND) * 1_000 <= lastSeen.getTime() + 1_000;
    const roots = pids.flatMap((pid) => tree.byPid.get(pid) ?? []).filter(isIts);
    if (!mains.lives(id, pids[0], () => roots)) continue;
    const family = familyOf(
      roots.map(({ pid }) => pid),
      tree,
      (pid) => (ownerOf.get(pid) ?? id) !== id,
    );
    usages.set(id, {
      cpuSeconds: cpuSecondsOf(family),
      memoryBytes: memoryBytesOf(family),
      restarts: mains.restarts(id),
    });
  }
  return usages;
}

type Supervised = Extract<Supervisor, { kind: 'docker' | 'systemd' }>;

function isOf(supervisor: Supervised, pid: number): boolean {
  const { unit, scope, container } = parseControlGroup(readProc(`/proc/${pid}/cgroup`) ?? '');
  return supervisor.kind === 'docker'
    ? container === supervisor.container
    : unit === supervisor.unit && scope === supervisor.scope;
}

function placeFrom(pids: readonly number[], supervisor: Supervised): GroupPlace | undefined {
  const pid = pids.find((each) => isOf(supervisor, each));
  const text = pid === undefined ? undefined : readProc(`/proc/${pid}/cgroup`);
  // systemd puts an underscore before names that the kernel would mistake for its own files.
  const bearsItsName = (component: string): boolean =>
    supervisor.kind === 'docker'
      ? component.includes(supervisor.container)
      : component === supervisor.unit || component === `_${supervisor.unit}`;
  return text === undefined ? undefined : placeOf(outermost(text, bearsItsName));
}
