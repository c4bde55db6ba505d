import type { MeasuredSeries, MetricsPort } from './ports/metrics.ts';

/** What of a machine can be compared and reported: one thing that has it, and its value in each step. */
export interface Subject {
  /** Always the same for the same thing. */
  readonly key: string;
  readonly name: string;
  /** By when the step begins, as milliseconds since 1970. */
  readonly values: ReadonlyMap<number, number>;
  readonly resourceId?: string | undefined;
}

type Over = (name: Parameters<MetricsPort['over']>[0]) => Promise<readonly MeasuredSeries[]>;

interface Measure {
  readonly unit: string;
  /** Below this nothing is worth a word, however many times what is usual. */
  readonly least: number;
  subjects(over: Over): Promise<Subject[]>;
}

export type MeasureName = 'cpu' | 'memory' | 'disk' | 'network' | 'response-time' | 'load' | 'space';

const IDLE = new Set(['idle', 'iowait']);

export const MEASURES: Readonly<Record<MeasureName, Measure>> = {
  cpu: {
    unit: 'share of the cores',
    least: 0.2,
    async subjects(over) {
      const modes = await over('steward_host_cpu_seconds_total');
      const busy = summed(modes.filter(({ labels }) => !IDLE.has(labels['mode'] ?? '')));
      return [{ key: 'machine', name: 'machine', values: combined(busy, summed(modes), (part, all) => part / all) }];
    },
  },
  memory: {
    unit: 'share of the memory',
    least: 0.5,
    async subjects(over) {
      const [there, free] = [
        summed(await over('steward_host_memory_bytes')),
        summed(await over('steward_host_memory_available_bytes')),
      ];
      return [{ key: 'machine', name: 'machine', values: combined(free, there, (part, all) => 1 - part / all) }];
    },
  },
  load: {
    unit: 'tasks a core',
    least: 0.5,
    async subjects(over) {
      const [load, cores] = [summed(await over('steward_host_load1')), summed(await over('steward_host_cores'))];
      return [{ key: 'machine', name: 'machine', values: combined(load, cores, (part, all) => part / all) }];
    },
  },
  disk: {
    unit: 'share of the time',
    least: 0.2,
    subjects: async (over) => grouped(await over('steward_host_disk_busy_seconds_total'), 'device'),
  },
  space: {
    unit: 'share of the space',
    least: 0.5,
    async subjects(over) {
      const sizes = new Map(
        grouped(await over('steward_host_filesystem_bytes'), 'mount').map(({ name, values }) => [name, values]),
      );
      return grouped(await over('steward_host_filesystem_free_bytes'), 'mount').map(({ name, values }) => ({
        key: name,
        name,
        values: combined(values, sizes.get(name) ?? new Map<number, number>(), (free, all) => 1 - free / all),
      }));
    },
  },
  network: {
    unit: 'bytes a second',
    least: 1_000_000,
    subjects: async (over) =>
      grouped(
        [
          ...(await over('steward_host_network_received_bytes_total')),
          ...(await over('steward_host_network_sent_bytes_total')),
        ],
        'interface',
      ),
  },
  'response-time': {
    unit: 'seconds',
    least: 0.05,
    async subjects(over) {
      const answers = await over('steward_check_latency_seconds');
      return answers.map((one) => ({
        key: one.labels['id'] ?? '',
        resourceId: one.resourceId,
        name: answerOf(one),
        values: summed([one]),
      }));
    },
  },
};

/** How the answers to one check are called: the service, and what it is asked. */
export function answerOf({ labels }: Pick<MeasuredSeries, 'labels'>): string {
  return `${labels['service']} (${labels['check']})`;
}

export function mean(values: readonly number[]): number | undefined {
  return values.length === 0 ? undefined : values.reduce((sum, value) => sum + value, 0) / values.length;
}

export function rounded(value: number): number {
  return Number(value.toPrecision(3));
}

function summed(series: readonly MeasuredSeries[]): Map<number, number> {
  const sums = new Map<number, number>();
  for (const { points } of series)
    for (const { at, avg } of points) sums.set(at.getTime(), (sums.get(at.getTime()) ?? 0) + avg);
  return sums;
}

function combined(
  parts: ReadonlyMap<number, number>,
  all: ReadonlyMap<number, number>,
  of: (part: number, all: number) => number,
): Map<number, number> {
  return new Map(
    [...parts].flatMap(([at, part]) => {
      const whole = all.get(at) ?? 0;
      return whole > 0 ? [[at, of(part, whole)] as const] : [];
    }),
  );
}

function grouped(series: readonly MeasuredSeries[], label: string): Subject[] {
  return [...Map.groupBy(series, ({ labels }) => labels[label] ?? '')].map(([name, group]) => ({
    key: name,
    name,
    values: summed(group),
  }));
}
