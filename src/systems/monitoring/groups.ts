import type { ProbeResult, Prober, ServiceState } from '../../core/check.ts';
import type { CheckSettings } from '../../core/default-checks.ts';
import { isMemberOf, type ServiceGroup } from '../../core/group.ts';
import type { Inventory } from '../../core/inventory.ts';
import type { Maintenance } from '../../core/maintenance.ts';
import type { ServiceStatus } from '../../core/monitor.ts';

export interface MonitoringSettings extends CheckSettings {
  readonly groups?: readonly ServiceGroup[] | undefined;
}

/** A member of a group at one instant. */
export interface Member {
  readonly name: string;
  readonly state: ServiceState;
  /** Work is going on at it. */
  readonly inMaintenance: boolean;
  /** What its checks say of the state. */
  readonly why?: string | undefined;
}

const MOST_NAMED = 5;

/**
 * How a group is. A member that was stopped on purpose or is being worked on has not failed, so it counts as one of those
 * that are well. What cannot be judged decides only where it could: with enough others the group is up, and where not even all of it
 * would be enough the group is down.
 */
export function foldGroup(members: readonly Member[], atLeast = members.length): ProbeResult {
  const excused = members.filter(({ state, inMaintenance }) => inMaintenance || state === 'stopped');
  const others = members.filter((member) => !excused.includes(member));
  const failed = others.filter(({ state }) => state === 'down');
  const unknown = others.filter(({ state }) => state === 'unknown' || state === 'pending');
  const well = others.length - failed.length - unknown.length;
  const fine = well + excused.length;

  const state = ((): ProbeResult['state'] => {
    if (members.length === 0) return 'unknown';
    if (fine + unknown.length < atLeast) return 'down';
    if (fine < atLeast) return 'unknown';
    if (failed.length > 0) return 'degraded';
    return excused.length === members.length ? 'stopped' : 'up';
  })();
  const said = [
    members.length === 0
      ? 'none of its members is known yet'
      : `${well} of ${members.length} up, at least ${atLeast} needed`,
    ...named(failed, 'down'),
    ...named(unknown, 'unknown'),
    ...named(excused, 'stopped or in maintenance', false),
  ];
  return {
    state,
    latencyMs: 0,
    message: said.join('; '),
    depth: 'presence',
    detail: {
      members: members.length,
      atLeast,
      up: well,
      failed: failed.map(({ name }) => name).join(', '),
      unknown: unknown.map(({ name }) => name).join(', '),
      excused: excused.map(({ name }) => name).join(', '),
    },
  };
}

function named(members: readonly Member[], how: string, withReason = true): string[] {
  const shown = members
    .slice(0, MOST_NAMED)
    .map(({ name, why }) => `${name} is ${how}${withReason && why ? ` (${why.slice(0, 120)})` : ''}`);
  return members.length > MOST_NAMED ? [...shown, `and ${members.length - MOST_NAMED} more are ${how}`] : shown;
}

interface GroupDeps {
  readonly inventory: Pick<Inventory, 'find'>;
  readonly maintenance?: Pick<Maintenance, 'activeFor'> | undefined;
  readonly statuses: () => Promise<readonly ServiceStatus[]>;
  readonly groups: () => readonly ServiceGroup[];
  readonly now: () => Date;
}

/** Answers the checks of groups from what is known of their members, and asks the prober all others. */
export function answeringGroups(prober: Prober, deps: GroupDeps): Prober {
  return {
    async probe(target, options) {
      if (target.kind !== 'group') return await prober.probe(target, options);
      const group = deps.groups().find(({ name }) => name === target.group);
      if (!group) throw new Error(`There is no group '${target.group}' in steward.yaml.`);
      return foldGroup(await membersOf(group, deps), group.atLeast);
    },
  };
}

/** Those that are named and not known yet are members all the same. */
async function membersOf(group: ServiceGroup, { inventory, maintenance, statuses, now }: GroupDeps): Promise<Member[]> {
  const [resources, all] = await Promise.all([inventory.find(), statuses()]);
  const byId = new Map(all.map((status) => [status.resourceId, status]));
  const known = resources.filter((resource) => isMemberOf(group, resource));
  const members = await Promise.all(
    known.map(async (resource): Promise<Member> => {
      const status = byId.get(resource.id);
      const state = status?.state ?? 'unknown';
      return {
        name: resource.name,
        state,
        inMaintenance: (await maintenance?.activeFor(resource, now())) !== undefined,
        why: status ? reasonOf(status) : 'it is not watched',
      };
    }),
  );
  const names = new Set(known.map(({ name }) => name));
  return [
    ...members,
    ...group.members
      .filter((name) => !names.has(name))
      .map((name): Member => ({ name, state: 'unknown', inMaintenance: false, why: 'it is not known yet' })),
  ];
}

function reasonOf({ state, checks }: ServiceStatus): string | undefined {
  const speaker = checks.find((check) => check.state === state && check.last !== undefined);
  return speaker && `${speaker.kind}: ${speaker.last?.message}`;
}
