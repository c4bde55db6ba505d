import type { CheckTarget } from '../../core/check.ts';
import { watchedEndpoints, webTarget } from '../../core/default-checks.ts';
import { type HealthItem, isAgent } from '../../core/health-report.ts';
import type { HealthThresholds, WatchedService } from '../../core/ports/health.ts';
import type { ContainerInfo } from '../../core/ports/docker.ts';
import type { HostSample } from '../../core/ports/host.ts';
import type { Ports } from '../../core/ports.ts';
import type { Resource } from '../../core/resource.ts';

/** What this machine is expected to run where it runs it at all. */
const CORE = /^(postgresql|redis|valkey|ollama)$/;
const DATABASES = new Set(['postgres', 'mysql', 'redis']);
const DAY_MS = 86_400_000;
const SOON_DAYS = 7;
const MOST_LOGS = 10;

const STATES: Readonly<Record<WatchedService['state'], HealthItem['state']>> = {
  up: 'ok',
  degraded: 'warning',
  unknown: 'warning',
  down: 'failed',
  stopped: 'skipped',
  pending: 'skipped',
};

type Item = Omit<HealthItem, 'group'>;
const item = (name: string, state: HealthItem['state'], message: string): Item => ({
  name,
  state,
  message,
  critical: false,
});

/** Each service in the one group that says most about it, so that nothing is counted twice. */
export function serviceItems(services: readonly WatchedService[]): HealthItem[] {
  return services.map(({ resource, state, message, uptimePercent, kinds }) => {
    const uptime = uptimePercent === undefined ? '' : `; ${Math.round(uptimePercent * 10) / 10} % of the last day`;
    return {
      group: groupOf(resource, kinds),
      name: resource.name,
      state: STATES[state],
      message: `${state}${message === '' ? '' : `: ${message}`}${uptime}`.slice(0, 500),
      critical: resource.critical,
      resourceId: resource.id,
    };
  });
}

function groupOf(resource: Resource, kinds: readonly string[]): HealthItem['group'] {
  if (isAgent(resource)) return 'agents';
  if (CORE.test(resource.product)) return 'core';
  if (kinds.some((kind) => DATABASES.has(kind))) return 'database';
  return kinds.includes('http') ? 'api' : 'services';
}

/** `needed`: something here is known to run in a container. */
export function dockerItem(containers: readonly ContainerInfo[] | { readonly problem: string }, needed: boolean): Item {
  if ('problem' in containers)
    return needed
      ? item('Docker', 'failed', containers.problem)
      : item('Docker', 'skipped', 'It does not answer, and nothing here is known to need it.');
  const running = containers.filter(({ state }) => state === 'running').length;
  const ill = containers.filter(
    ({ health, state }) => health === 'unhealthy' || state === 'dead' || state === 'restarting',
  );
  return item(
    'Docker',
    ill.length > 0 ? 'warning' : 'ok',
    `${running} of ${containers.length} containers run${
      ill.length > 0
        ? `; not well: ${ill
            .slice(0, 10)
            .map(({ name }) => name)
            .join(', ')}`
        : ''
    }`,
  );
}

export function resourceItems(sample: HostSample, limits: HealthThresholds): Item[] {
  const used = 100 * (1 - sample.memoryAvailableBytes / sample.memoryTotalBytes);
  const measured = (name: string, value: number, limit: number, unit: string, more = ''): Item =>
    item(
      name,
      value >= 95 && unit === '%' ? 'failed' : value >= limit ? 'warning' : 'ok',
      `${Math.round(value * 10) / 10}${unit === '%' ? ' %' : unit}, worth a word from ${limit}${unit === '%' ? ' %' : unit}${more}`,
    );
  return [
    // A busy processor is at work, not broken.
    notWorse(measured('CPU', sample.cpuPercent, limits.cpuPercent, '%')),
    measured('Load', sample.load1 / Math.max(1, sample.cores), limits.loadPerCore, ' a core'),
    measured('Memory', used, limits.memoryPercent, '%'),
    ...sample.disks
      .filter(({ totalBytes }) => totalBytes > 0)
      .map(({ mount, totalBytes, freeBytes }) =>
        measured(
          `Disk ${mount}`,
          100 * (1 - freeBytes / totalBytes),
          limits.diskPercent,
          '%',
          `; ${size(freeBytes)} free`,
        ),
      ),
  ];
}

function notWorse(measured: Item): Item {
  return measured.state === 'failed' ? { ...measured, state: 'warning' } : measured;
}

export function logItems(
  files: readonly { readonly path: string; readonly bytes: number }[],
  { logBytes }: HealthThresholds,
): Item[] {
  const total = files.reduce((sum, { bytes }) => sum + bytes, 0);
  const large = files.filter(({ bytes }) => bytes > logBytes).slice(0, MOST_LOGS);
  return [
    item('Log files', 'ok', `${files.length} files, ${size(total)} together`),
    ...large.map(({ path, bytes }) => item(path, 'warning', `${size(bytes)}, more than ${size(logBytes)}`)),
  ];
}

export function certificateItems(
  certificates: readonly Resource[],
  { renewalDays }: HealthThresholds,
  now: Date,
): Item[] {
  return certificates.flatMap(({ labels, id }): Item[] => {
    const file = labels['certificate.file'] ?? '';
    const expires = Date.parse(labels['certificate.expires'] ?? '');
    const about = { critical: false, resourceId: id } as const;
    const of = labels['certificate.hosts'] ?? labels['certificate.names'] ?? '';
    const name = of === '' ? file : `${file} (${of.split(' ').slice(0, 3).join(', ')})`;
    if (Number.isNaN(expires))
      return [{ ...item(name, 'warning', 'It is named by a proxy and cannot be read.'), ...about }];
    const days = Math.floor((expires - now.getTime()) / DAY_MS);
    const when = new Date(expires).toISOString().slice(0, 10);
    const message = days < 0 ? `expired on ${when}` : `expires in ${days} days, on ${when}`;
    return [{ ...item(name, days < SOON_DAYS ? 'failed' : days < renewalDays ? 'warning' : 'ok', message), ...about }];
  });
}

function size(bytes: number): string {
  const units = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB'];
  let value = bytes;
  let unit = 0;
  for (; value >= 1024 && unit < units.length - 1; unit += 1) value /= 1024;
  return `${unit === 0 ? value : Math.round(value * 10) / 10} ${units[unit]}`;
}

const LIMITS = { timeoutMs: 5_000, slowMs: 30_000 };

/** Whether model servers have a model to answer with: one that runs without any is as good as none. */
export async function modelItems(
  services: readonly WatchedService[],
  { prober }: Pick<Ports, 'prober'>,
  signal: AbortSignal,
): Promise<Omit<HealthItem, 'group'>[]> {
  const servers = services.filter(({ resource, state }) => resource.product === 'ollama' && state !== 'stopped');
  return await Promise.all(
    servers.map(async ({ resource }) => {
      const about = { name: `models of ${resource.name}`, critical: resource.critical, resourceId: resource.id };
      const [endpoint] = watchedEndpoints(resource);
      if (!endpoint) return { ...about, state: 'warning' as const, message: 'It is not known where it listens.' };
      const target = {
        kind: 'models' as const,
        url: webTarget('http', endpoint.host, endpoint.port).url,
        api: 'ollama' as const,
        models: [],
        answers: 'none' as const,
        insecure: false,
      } satisfies CheckTarget;
      const { state, message, detail } = await prober.probe(target, { ...LIMITS, signal });
      if (detail.count === 0) return { ...about, state: 'failed' as const, message: 'It runs and has no model.' };
      return state === 'up' || state === 'degraded'
        ? { ...about, state: 'ok' as const, message: message.slice(0, 300) }
        : { ...about, state: 'failed' as const, message: message.slice(0, 300) };
    }),
  );
}
