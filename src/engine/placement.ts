import { type Kysely, sql } from 'kysely';
import type { AnyAutomation } from '../core/automation.ts';
import { StewardError } from '../core/errors.ts';
import type { StartRun } from '../core/run-service.ts';
import type { EngineSettings } from './engine-deps.ts';
import { labelsOf, type NodeRow } from './node-directory.ts';
import type { Nodes } from './nodes.ts';
import type { EngineTables } from './tables.ts';

export type Place = NonNullable<StartRun['place']>;

/** A node as placement sees it. */
export interface Candidate {
  readonly id: string;
  readonly name: string;
  /** Lives, as far as anybody knows at this moment. */
  readonly live: boolean;
  readonly draining: boolean;
  readonly labels: Readonly<Record<string, string>>;
  readonly ports: readonly string[];
  readonly automations: Readonly<Record<string, number>>;
  /** Runs that it has to do, begun or not. */
  readonly load: number;
}

type Wanted = Pick<AnyAutomation, 'name' | 'version' | 'needs'>;

/**
 * Why this node cannot have the run; undefined where it can. Of a node that was named the ports are not asked: an automation
 * whose tools are not usable there says so itself, or does without.
 */
export function unfit(
  node: Candidate,
  automation: Wanted,
  { labels = {}, named = false }: { labels?: Place['labels']; named?: boolean } = {},
): string | undefined {
  if (!node.live) return 'is not alive';
  if (node.draining) return 'is draining';
  const [label] = Object.entries(labels).find(([key, value]) => node.labels[key] !== value) ?? [];
  if (label !== undefined) return `has not the label ${label}=${labels[label]}`;
  const version = node.automations[automation.name];
  if (version === undefined) return `does not know ${automation.name}`;
  // A newer one plans it again; an older one would not understand the plan.
  if (version < automation.version) return `knows only version ${version} of ${automation.name}`;
  const missing = named ? [] : automation.needs.filter((port) => !node.ports.includes(port));
  return missing.length > 0 ? `does not have ${missing.join(', ')}` : undefined;
}

/** The fitting node with the least to do; of equals the one that asks, then by name. NO_NODE says of each why not. */
export function pick(
  automation: Wanted,
  {
    candidates,
    self,
    ...asked
  }: { candidates: readonly Candidate[]; labels?: Place['labels']; named?: boolean; self: string },
): string {
  const reasons = candidates.map((node) => ({ node, reason: unfit(node, automation, asked) }));
  const [best] = reasons
    .filter(({ reason }) => reason === undefined)
    .map(({ node }) => node)
    .toSorted(
      (a, b) => a.load - b.load || Number(b.id === self) - Number(a.id === self) || a.name.localeCompare(b.name),
    );
  if (best) return best.id;
  throw new StewardError(
    'NO_NODE',
    `No node can run ${automation.name}: ${reasons.map(({ node, reason }) => `${node.name} ${reason}`).join('; ') || 'there is none'}.`,
    { hint: 'See steward nodes, and ask again once one fits.' },
  );
}

export interface Placement {
  /**
   * The node for a run that no target ties to a machine. NO_NODE where none fits, NOT_FOUND where the node that was asked for
   * is not known.
   */
  choose(automation: AnyAutomation, place: Place | undefined): Promise<string>;
  /** Every node that can do it now. This one, where no other is known. */
  everywhere(automation: AnyAutomation): Promise<readonly Pick<Candidate, 'id' | 'name'>[]>;
}

export function createPlacement({
  db,
  nodes,
  self,
  limits,
}: {
  readonly db: Kysely<EngineTables>;
  readonly nodes: Pick<Nodes, 'find'>;
  readonly self: string;
  readonly limits: Pick<EngineSettings, 'lostAfterMs'>;
}): Placement {
  async function candidates(): Promise<Candidate[]> {
    const rows = await db
      .selectFrom('nodes')
      .selectAll()
      .select(
        sql<boolean>`last_heartbeat > clock_timestamp() - ${`${limits.lostAfterMs} milliseconds`}::interval`.as(
          'fresh',
        ),
      )
      .select((select) =>
        select
          .selectFrom('runs')
          .whereRef('runs.node', '=', 'nodes.id')
          .where('runs.finished_at', 'is', null)
          .where('runs.status', '!=', 'waiting-approval')
          .select(({ fn }) => fn.countAll<number>().as('count'))
          .as('load'),
      )
      .orderBy('name')
      .execute();
    return rows.map((row) => ({
      ...candidateOf(row),
      live: row.id === self || (row.state === 'alive' && row.fresh),
      load: row.load ?? 0,
    }));
  }

  return {
    async choose(automation, place = {}) {
      const known = await candidates();
      if (place.node !== undefined) {
        const { id } = await nodes.find(place.node);
        const candidates = known.filter((node) => node.id === id);
        return pick(automation, { candidates, labels: place.labels, named: true, self });
      }
      if (place.labels === undefined && automation.placement !== 'any') return self;
      // Asked before this node has joined: then it is alone, or will know better in a moment.
      if (place.labels === undefined && !known.some(({ live }) => live)) return self;
      const own = known.find(({ id }) => id === self);
      // Nobody asked for a certain node, so it waits here until this one, or any other, takes work again.
      const later =
        place.labels === undefined &&
        own !== undefined &&
        unfit({ ...own, draining: false }, automation) === undefined &&
        known.every((node) => unfit(node, automation) !== undefined);
      if (later) return self;
      return pick(automation, { candidates: known, labels: place.labels, self });
    },
    async everywhere(automation) {
      const fitting = (await candidates()).filter((node) => unfit(node, automation, { named: true }) === undefined);
      return fitting.length > 0 ? fitting : [{ id: self, name: self }];
    },
  };
}

const candidateOf = (row: NodeRow): Omit<Candidate, 'live' | 'load'> => ({
  id: row.id,
  name: row.name,
  draining: row.draining,
  labels: labelsOf(row),
  ports: row.ports,
  automations: row.automations,
});
