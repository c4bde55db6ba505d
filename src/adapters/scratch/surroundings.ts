import { connect, DEFAULT_HOST } from '../docker/connect.ts';
import { engineCall } from '../docker/engine-call.ts';
import { SCRATCH_LABEL } from './label.ts';

/** What of an engine belongs to no game day, each thing by what tells that it was touched. */
export type Surroundings = Readonly<
  Record<'containers' | 'images' | 'networks' | 'volumes', Readonly<Record<string, string>>>
>;

const WITHIN_MS = 30_000;

/** Everything of the engine that carries no label of a game day, of this one or another. */
export async function engineSurroundings(host: string = DEFAULT_HOST): Promise<Surroundings> {
  const docker = connect(host);
  const call = <T>(what: string, run: () => Promise<T>): Promise<T> => engineCall(what, host, WITHIN_MS, run);
  const foreign = ({ Labels }: { Labels?: Record<string, string> | null | undefined }): boolean =>
    !(Labels && SCRATCH_LABEL in Labels);
  const [containers, images, networks, { Volumes: volumes }] = await Promise.all([
    call('containers', () => docker.listContainers({ all: true })),
    call('images', () => docker.listImages()),
    call('networks', () => docker.listNetworks()),
    call('volumes', () => docker.listVolumes()),
  ]);
  const inspected = await Promise.all(
    containers.filter(foreign).map(async ({ Id }) => {
      const found = await call(`inspect ${Id}`, () => docker.getContainer(Id).inspect()).catch(() => undefined);
      return found ? [[`${found.Name.slice(1)} ${Id.slice(0, 12)}`, containerState(found)] as const] : [];
    }),
  );
  return {
    containers: Object.fromEntries(inspected.flat()),
    images: Object.fromEntries(images.filter(foreign).map(({ Id, RepoTags }) => [Id, (RepoTags ?? []).join(' ')])),
    networks: Object.fromEntries(
      networks.filter(foreign).map(({ Id, Name, Driver }) => [`${Name} ${Id.slice(0, 12)}`, Driver]),
    ),
    volumes: Object.fromEntries((volumes ?? []).filter(foreign).map(({ Name, Mountpoint }) => [Name, Mountpoint])),
  };
}

function containerState({
  State,
  RestartCount,
  NetworkSettings,
}: {
  State: { Status: string; Pid: number; StartedAt: string };
  RestartCount: number;
  NetworkSettings: { Networks: Record<string, unknown> };
}): string {
  const networks = Object.keys(NetworkSettings.Networks).toSorted().join(' ');
  return `${State.Status}, process ${State.Pid} since ${State.StartedAt}, ${RestartCount} restarts, on ${networks}`;
}
