import type { ContainerInspectInfo } from 'dockerode';
import type { ContainerInfo } from '../../core/ports/docker.ts';

const STATES = ['created', 'running', 'paused', 'restarting', 'removing', 'exited', 'dead'] as const;
const HEALTH = ['starting', 'healthy', 'unhealthy'] as const;

export function toContainerInfo(found: ContainerInspectInfo, stoppedOnPurpose: boolean): ContainerInfo {
  const state = found.State;
  const health = state.Health;
  return {
    id: found.Id,
    name: found.Name.replace(/^\//, ''),
    image: found.Config.Image,
    labels: found.Config.Labels ?? {},
    state: STATES.find((name) => name === state.Status) ?? 'dead',
    health: HEALTH.find((name) => name === health?.Status) ?? 'none',
    healthLog: health?.Log?.at(-1)?.Output,
    exitCode: state.ExitCode,
    oomKilled: state.OOMKilled,
    stoppedOnPurpose,
    restartCount: found.RestartCount,
    restartPolicy: found.HostConfig.RestartPolicy?.Name || 'no',
    pid: state.Pid,
    startedAt: instant(state.StartedAt),
    finishedAt: instant(state.FinishedAt),
    networks: Object.entries(found.NetworkSettings.Networks ?? {}).map(([name, network]) => ({
      name,
      address: network.IPAddress,
    })),
    ports: portsOf(found),
    command: [found.Path, ...found.Args],
  };
}

// The engine writes the year 1 for 'never'.
function instant(text: string | undefined): Date | undefined {
  const date = new Date(text ?? '');
  return Number.isNaN(date.getTime()) || date.getUTCFullYear() < 1971 ? undefined : date;
}

function portsOf(found: ContainerInspectInfo): ContainerInfo['ports'] {
  return Object.entries(found.NetworkSettings.Ports ?? {}).flatMap(([name, bindings]) => {
    const [port, protocol = 'tcp'] = name.split('/');
    const hosts = (bindings as readonly { HostPort: string }[] | null)?.map(({ HostPort }) => Number(HostPort)) ?? [];
    // The same port is bound once for IPv4 and once for IPv6.
    const distinct = hosts.length > 0 ? [...new Set(hosts)] : [undefined];
    return distinct.map((host) => ({ container: Number(port), host, protocol }));
  });
}
