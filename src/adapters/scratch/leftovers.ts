import { isMissing, engineCall } from '../docker/engine-call.ts';
import { connect, DEFAULT_HOST } from '../docker/connect.ts';
import { SCRATCH_HOME_LABEL, SCRATCH_LABEL } from './label.ts';

/** What one game day left in an engine. */
export interface Leftovers {
  readonly id: string;
  readonly home: string;
}

const WITHIN_MS = 60_000;

type Labels = Record<string, string> | null | undefined;

export interface ScratchRemains {
  /** The game days that something is left of, told by their labels. */
  list(): Promise<Leftovers[]>;
  /** Removes everything with the label of this one, and says what. */
  remove(id: string): Promise<string[]>;
}

export function createRemains(host: string = DEFAULT_HOST): ScratchRemains {
  const docker = connect(host);
  const call = <T>(what: string, run: () => Promise<T>): Promise<T> => engineCall(what, host, WITHIN_MS, run);

  async function all(filter: string) {
    const filters = { label: [filter] };
    const [containers, networks, images, { Volumes: volumes }] = await Promise.all([
      call('containers', () => docker.listContainers({ all: true, filters })),
      call('networks', () => docker.listNetworks({ filters })),
      call('images', () => docker.listImages({ filters })),
      call('volumes', () => docker.listVolumes({ filters })),
    ]);
    return { containers, networks, images, volumes: volumes ?? [] };
  }

  return {
    async list() {
      const { containers, networks, images, volumes } = await all(SCRATCH_LABEL);
      const labels: Labels[] = [...containers, ...networks, ...images, ...volumes].map(({ Labels }) => Labels);
      const found = new Map(labels.map((each) => [each?.[SCRATCH_LABEL] ?? '', each?.[SCRATCH_HOME_LABEL] ?? '']));
      found.delete('');
      return [...found].map(([id, home]) => ({ id, home }));
    },

    async remove(id) {
      const { containers, networks, images, volumes } = await all(`${SCRATCH_LABEL}=${id}`);
      const said: string[] = [];
      const gone = async (what: string, run: () => Promise<unknown>): Promise<void> => {
        try {
          await call(`remove ${what}`, run);
          said.push(what);
        } catch (thrown) {
          // Another one that cleans up was faster.
          if (!isMissing(thrown)) throw thrown;
        }
      };
      await Promise.all(
        containers.map(({ Id, Names: [name = Id] }) =>
          gone(`container ${name.replace(/^\//, '')}`, () => docker.getContainer(Id).remove({ force: true, v: true })),
        ),
      );
      for (const { Id, Name } of networks) {
        await gone(`network ${Name}`, () => docker.getNetwork(Id).remove()).catch((thrown: unknown) => {
          // An engine under load can lose count of them; without this, all the rest would stay as well, for ever.
          if (!isStillCounted(thrown)) throw thrown;
          said.push(`nothing of network ${Name}: the engine believes that something is in it, until it is restarted`);
        });
      }
      for (const { Name } of volumes) await gone(`volume ${Name}`, () => docker.getVolume(Name).remove());
      for (const { Id, RepoTags } of images)
        await gone(`image ${RepoTags?.[0] ?? Id}`, () => docker.getImage(Id).remove({ force: true }));
      return said;
    },
  };
}

const isStillCounted = (thrown: unknown): boolean =>
  thrown instanceof Error && thrown.message.includes('has active endpoints');
