import { exposition, type Family } from '../../core/exposition.ts';
import { isAgent } from '../../core/health-report.ts';
import type { Inventory } from '../../core/inventory.ts';
import type { SystemJob } from '../../core/schedule.ts';

const DAY_MS = 86_400_000;

export interface TextfileDeps {
  /** Where it is, and how names in it begin; without it nothing is written. */
  readonly settings: () => { readonly path: string; readonly prefix: string } | undefined;
  readonly write: (path: string, text: string) => Promise<void>;
  readonly inventory: Pick<Inventory, 'find'>;
  readonly monitor: {
    report(): Promise<{ readonly score: number }>;
    uptimes(since: Date): Promise<ReadonlyMap<string, number>>;
  };
  readonly node: { readonly id: string; readonly name: string };
}

/** For the textfile collector of node_exporter: how this machine is, for who scrapes that and not Steward. */
export function metricTextfile({ settings, write, inventory, monitor, node }: TextfileDeps): SystemJob {
  return {
    name: 'metric-textfile',
    summary: 'Writes health score and uptime of the AI agents where the configuration says, for node_exporter.',
    schedule: { every: '1m', overlap: 'skip' },
    async run({ now }) {
      const to = settings();
      if (!to) return;
      const [{ score }, uptimes, services] = await Promise.all([
        monitor.report(),
        monitor.uptimes(new Date(now.getTime() - DAY_MS)),
        inventory.find({ kind: 'service', node: node.id, state: 'present' }),
      ]);
      const agents = services.filter(isAgent).flatMap(({ id, name }) => {
        const value = uptimes.get(id);
        return value === undefined ? [] : [{ labels: { node: node.name, agent: name }, value }];
      });
      const families: Family[] = [
        {
          name: `${to.prefix}_health_score`,
          type: 'gauge',
          unit: 'count',
          help: 'How the services are, from 0 to 100.',
          samples: [{ labels: { node: node.name }, value: score }],
        },
        {
          name: `${to.prefix}_agent_uptime`,
          type: 'gauge',
          unit: 'count',
          help: 'Percent of the last 24 hours in which an AI agent answered, of those in which it was meant to.',
          samples: agents,
        },
      ];
      await write(
        to.path,
        exposition(
          families.filter(({ samples }) => samples.length > 0),
          'text',
        ),
      );
    },
  };
}
