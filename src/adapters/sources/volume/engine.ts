import type { Readable } from 'node:stream';
import { StewardError } from '../../../core/errors.ts';
import { connect, DEFAULT_HOST } from '../../docker/connect.ts';
import { engineCall, isMissing } from '../../docker/engine-call.ts';

export interface VolumeUser {
  readonly id: string;
  readonly name: string;
  readonly image: string;
  readonly state: string;
}

const WITHIN_MS = 30_000;

/** What of an engine concerns a volume. */
export function createVolumeEngine(host: string = DEFAULT_HOST) {
  const docker = connect(host);
  const call = <T>(what: string, run: () => Promise<T>, limit = WITHIN_MS): Promise<T> =>
    engineCall(what, host, limit, run);
  return {
    async mountpoint(volume: string): Promise<string | undefined> {
      try {
        const { Mountpoint } = await call(`volume ${volume}`, () => docker.getVolume(volume).inspect());
        return Mountpoint;
      } catch (thrown) {
        if (isMissing(thrown)) return undefined;
        throw thrown;
      }
    },
    create: (volume: string): Promise<unknown> =>
      call(`create volume ${volume}`, () => docker.createVolume({ Name: volume })),
    /** Those that use it, running ones first. */
    async users(volume: string): Promise<VolumeUser[]> {
      const found = await call('containers', () => docker.listContainers({ all: true, filters: { volume: [volume] } }));
      return found
        .map(({ Id, Names, Image, State }) => ({
          id: Id,
          name: (Names[0] ?? Id).replace(/^\//, ''),
          image: Image,
          state: State,
        }))
        .toSorted((one, other) => Number(other.state === 'running') - Number(one.state === 'running'));
    },
    pause: (id: string): Promise<unknown> => call(`pause ${id}`, () => docker.getContainer(id).pause()),
    /** Harmless where it is not paused, or gone. */
    async unpause(id: string): Promise<void> {
      try {
        const { State } = await call(`inspect ${id}`, () => docker.getContainer(id).inspect());
        if (State.Paused) await call(`unpause ${id}`, () => docker.getContainer(id).unpause());
      } catch (thrown) {
        if (!isMissing(thrown)) throw thrown;
      }
    },
    /** Throws what it printed where it does not end with 0. */
    async exec(id: string, command: readonly string[]): Promise<void> {
      const [exitCode, output] = await call(
        `exec ${command.join(' ')}`,
        async () => {
          const container = docker.getContainer(id);
          const exec = await container.exec({ Cmd: [...command], AttachStdout: true, AttachStderr: true });
          const stream = (await exec.start({})) as unknown as Readable;
          let text = '';
          for await (const chunk of stream) text = (text + String(chunk)).slice(-2_000);
          return [(await exec.inspect()).ExitCode, text] as const;
        },
        HOOK_WITHIN_MS,
      );
      if (exitCode === 0) return;
      throw new StewardError(
        'PROGRAM_FAILED',
        `${command.join(' ')} in ${id.slice(0, 12)} ended with ${exitCode}: ${printable(output)}`,
        {
          hint: 'Try it by hand: docker exec.',
        },
      );
    },
  };
}
export type VolumeEngine = ReturnType<typeof createVolumeEngine>;

const HOOK_WITHIN_MS = 5 * 60_000;

/** The engine puts eight bytes before each piece of output. */
function printable(text: string): string {
  // oxlint-disable-next-line eslint/no-control-regex -- these are what is taken out
  const framing = /[\u0000-\u0008\u000e-\u001f\ufffd]+/g;
  return text.replaceAll(framing, '').trim().slice(-300);
}
