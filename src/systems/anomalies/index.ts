import { z } from 'zod';
import type { Incidents } from '../../core/incident.ts';
import type { Maintenance } from '../../core/maintenance.ts';
import type { WatchedHere } from '../../core/monitor.ts';
import { AnomalyKind } from '../../core/anomaly/judge.ts';
import type { Inventory } from '../../core/inventory.ts';
import { defineQuery } from '../../core/operation.ts';
import { PerformanceMetric } from '../../core/performance.ts';
import type { MetricsPort } from '../../core/ports/metrics.ts';
import type { System } from '../../core/system.ts';
import type { Store } from '../../store/store.ts';
import { createTeller } from './tell.ts';
import { createAnomalyWatch, type Judged } from './watch.ts';

export interface AnomaliesDeps {
  readonly store: Pick<Store, 'db' | 'events'>;
  readonly metrics: MetricsPort;
  readonly incidents: Pick<Incidents, 'open' | 'resolve' | 'unresolved'>;
  readonly inventory: Pick<Inventory, 'get'>;
  readonly maintenance: Pick<Maintenance, 'activeFor'>;
  /** What this node watches, with how it is. */
  readonly watched: () => readonly WatchedHere[];
  /** Whether anything is measured at all. */
  readonly enabled: () => boolean;
  readonly node: { readonly id: string; readonly name: string };
  readonly now: () => Date;
}

const EVERY = '5m';

const Item = z.object({
  metric: PerformanceMetric,
  subject: z.string().describe('The machine, a disk, an interface, a service.'),
  state: z.enum(['not-enough-history', 'usual', 'unusual']),
  kind: AnomalyKind.optional().describe('What is unusual about it.'),
  unit: z.string(),
  value: z.number().optional().describe('The middle of the last quarter of an hour.'),
  usual: z.number().optional().describe('At this hour of the week.'),
  resourceId: z.string().optional(),
  message: z.string(),
});

/** Looks by itself at what is measured on this node, and tells what is not as usual. */
export function createAnomalies(deps: AnomaliesDeps): System {
  const { store, incidents, inventory, maintenance, watched, enabled, node, now } = deps;
  const watch = createAnomalyWatch(deps.metrics);
  let looking: Promise<readonly Judged[]> | undefined;

  const tell = createTeller({
    incidents,
    node,
    async isWorkedOn({ resourceId }) {
      const resource = resourceId === undefined ? undefined : await inventory.get(resourceId);
      const machine = { id: node.id, name: node.name, identity: node.id, node: node.id, labels: {} };
      return (await maintenance.activeFor(resource ?? machine, now())) !== undefined;
    },
    shouldBeHeard: ({ metric, resourceId }) =>
      metric !== 'response-time' ||
      watched().some(
        ({ resource, status }) => resource.id === resourceId && (status.state === 'up' || status.state === 'degraded'),
      ),
    async began({ metric, subject, kind, resourceId }, { title, severity }) {
      await store.db.transaction().execute(async (trx) => {
        await store.events.append(trx, {
          type: 'metrics.unusual',
          ...(resourceId !== undefined && { subject: { kind: 'resource', id: resourceId } }),
          node: node.name,
          data: { title, metric, subject, kind: kind ?? null, severity },
        });
      });
    },
  });

  /** One at a time: what is learned is read once, whoever asks meanwhile. */
  async function look(at: Date): Promise<readonly Judged[]> {
    looking ??= watch.look(at).finally(() => {
      looking = undefined;
    });
    return await looking;
  }

  return {
    name: 'anomalies',
    operations: [
      defineQuery({
        name: 'anomalies',
        title: 'What is not as usual',
        summary:
          'Compares cores, memory, disks, interfaces and answers on this node with what is usual at this hour of the week.',
        permission: 'read',
        input: z.object({
          all: z.boolean().default(false).describe('Also what is as usual, and what is not known for long enough.'),
        }),
        output: z.object({ items: z.array(Item) }),
        columns: ['metric', 'subject', 'state', 'kind', 'message'],
        cli: ['metrics', 'anomalies'],
        toolset: 'metrics',
        examples: [{ title: 'Everything that is compared', input: { all: true } }],
        async handle({ all }) {
          const judged = enabled() ? await look(now()) : [];
          return { items: judged.filter(({ state }) => all || state === 'unusual').map(shown) };
        },
      }),
    ],
    jobs: [
      {
        name: 'anomaly-watch',
        summary: 'Looks for what is measured and not as usual, and tells of it.',
        schedule: { every: EVERY, jitter: '1m', overlap: 'skip', catchUp: 'skip' },
        async run({ now: at }) {
          if (enabled()) await tell(await look(at), at);
        },
      },
    ],
    async start() {},
    async stop() {},
  };
}

function shown({ metric, subject, state, kind, unit, value, usual, resourceId }: Judged): z.input<typeof Item> {
  const figures = { value: value && rounded(value), usual: usual && rounded(usual) };
  return {
    metric,
    subject,
    state,
    kind,
    unit,
    ...figures,
    resourceId,
    message:
      state === 'not-enough-history'
        ? 'Not enough history yet: a whole week has to be known.'
        : figures.value === undefined
          ? 'It has no value at present.'
          : `${figures.value} ${unit}; at this hour of the week ${figures.usual ?? 'nothing'} is usual.`,
  };
}

function rounded(value: number): number {
  return Number(value.toPrecision(3));
}
