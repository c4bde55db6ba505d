import { type Reading, reading } from '../../core/metric.ts';
import { TICKS_PER_SECOND } from '../procfs/stat.ts';

const MODES = ['user', 'nice', 'system', 'idle', 'iowait', 'irq', 'softirq', 'steal'];

/** All cores together, from /proc/stat. */
export function cpuReadings(text: string): Reading[] {
  const fields = /^cpu +(.+)$/m.exec(text)?.[1]?.split(' ').map(Number) ?? [];
  const cores = text.match(/^cpu\d+ /gm)?.length ?? 0;
  return [
    ...MODES.flatMap((mode, index) => {
      const ticks = fields[index];
      return ticks === undefined ? [] : [reading('steward_host_cpu_seconds_total', ticks / TICKS_PER_SECOND, { mode })];
    }),
    ...(cores > 0 ? [reading('steward_host_cores', cores)] : []),
  ];
}

const RESOURCES = ['cpu', 'memory', 'io'];

/** Since when tasks waited, from the files of /proc/pressure; kernels without PSI have none. */
export function pressureReadings(read: (resource: string) => string | undefined): Reading[] {
  return RESOURCES.flatMap((resource) =>
    [...(read(resource) ?? '').matchAll(/^(some|full) .*total=(\d+)$/gm)].map(([, share = '', total]) =>
      reading('steward_host_pressure_seconds_total', Number(total) / 1_000_000, { resource, share }),
    ),
  );
}
