import { mean, rounded } from './measures.ts';
import type { Inventory } from './inventory.ts';
import type { MetricName } from './metric.ts';
import type { Used, UsedBy } from './performance-report.ts';
import type { MetricsPort } from './ports/metrics.ts';
import type { Resource } from './resource.ts';

interface Span {
  readonly from: Date;
  readonly to: Date;
  readonly stepMs: number;
}

interface Usage {
  readonly id: string;
  readonly name: string;
  readonly by: UsedBy;
  readonly cores?: Used | undefined;
  readonly memoryBytes?: Used | undefined;
}

/** So many by cores and so many by memory, of the containers and of everything else. */
const MOST = 10;

/** What took most of the machine, and how much that was in the period before. */
export async function topUsage(
  { metrics, inventory }: { readonly metrics: MetricsPort; readonly inventory: Pick<Inventory, 'find'> },
  spans: { readonly span: Span; readonly formerly: Span },
): Promise<Usage[]> {
  const [cores, memory] = [
    await used(metrics, 'steward_service_cpu_seconds_total', spans),
    await used(metrics, 'steward_service_memory_bytes', spans),
  ];
  const ids = [...new Set([...cores.keys(), ...memory.keys()])];
  const known = new Map((await inventory.find({ ids, state: 'all' })).map((resource) => [resource.id, resource]));
  const all = ids.map((id) => {
    const [ofCores, ofMemory] = [cores.get(id), memory.get(id)];
    return {
      id,
      name: ofCores?.name ?? ofMemory?.name ?? id,
      by: byOf(known.get(id)),
      cores: ofCores?.used,
      memoryBytes: ofMemory?.used,
    };
  });
  const isContainer = ({ by }: Usage): boolean => by === 'container';
  return [...largest(all.filter(isContainer)), ...largest(all.filter((each) => !isContainer(each)))];
}

async function used(
  metrics: MetricsPort,
  name: MetricName,
  { span, formerly }: { readonly span: Span; readonly formerly: Span },
): Promise<Map<string, { readonly name: string; readonly used: Used }>> {
  const means = new Map(
    (await metrics.over(name, formerly)).map(({ labels, points }) => [
      labels['id'] ?? '',
      mean(points.map(({ avg }) => avg)),
    ]),
  );
  const series = await metrics.over(name, span);
  return new Map(
    series.flatMap(({ labels, points }) => {
      const values = points.map(({ avg }) => avg);
      const [id, average] = [labels['id'] ?? '', mean(values)];
      if (average === undefined) return [];
      const beforeMean = means.get(id);
      return [
        [
          id,
          {
            name: labels['service'] ?? id,
            used: {
              mean: rounded(average),
              highest: rounded(values.reduce((most, value) => Math.max(most, value))),
              ...(beforeMean !== undefined && { beforeMean: rounded(beforeMean) }),
            },
          },
        ] as const,
      ];
    }),
  );
}

/** Those with most cores and those with most memory, each once, by cores. */
function largest(all: readonly Usage[]): Usage[] {
  const by = (of: (usage: Usage) => Used | undefined): Usage[] =>
    all.toSorted((one, other) => (of(other)?.mean ?? 0) - (of(one)?.mean ?? 0));
  const byCores = by(({ cores }) => cores);
  const chosen = new Set([...byCores.slice(0, MOST), ...by(({ memoryBytes }) => memoryBytes).slice(0, MOST)]);
  return byCores.filter((usage) => chosen.has(usage));
}

function byOf(resource: Resource | undefined): UsedBy {
  if (resource?.supervisor.kind === 'docker') return 'container';
  return resource?.supervisor.kind === 'systemd' ? 'unit' : 'process';
}
