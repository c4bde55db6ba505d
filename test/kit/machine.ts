import { resolve } from 'node:path';
import { type Dockerd, startDockerd } from '../../src/testing/world/dockerd.ts';
import { startSystemdContainer, type SystemdContainer } from '../../src/testing/world/systemd-container.ts';
import { type AlertSink, startAlertSink } from './alert-sink.ts';
import { type Api, apiOf, type EventLog, followEvents } from './api.ts';
import { eventually } from './steward.ts';

const CHECKOUT = '/opt/steward';
const NODE = `${CHECKOUT}/node_modules/node/bin/node`;
const PORT = 3000;
export const HOME = '/var/lib/steward';

/** A Debian of its own, systemd and all, on which Steward is a service that looks after the others. */
export interface Machine {
  readonly api: Api;
  readonly log: EventLog;
  readonly sink: AlertSink;
  readonly systemd: SystemdContainer;
  /** Runs a shell script in there; gives what it printed. */
  sh(script: string): Promise<string>;
  /** Whoever runs the main process of a unit at the moment. */
  mainPid(unit: string): Promise<number>;
  /** How often a unit was started, counted by the unit itself. */
  starts(unit: string): Promise<number>;
  write(path: string, text: string): Promise<void>;
  /** Waits until Steward answers, after it was killed for instance. */
  untilServing(withinMs?: number): Promise<void>;
  stop(): Promise<void>;
}

export interface MachineOptions {
  readonly packages: readonly string[];
  /** Before Steward is installed: units, files. */
  readonly prepare: (machine: Pick<Machine, 'sh' | 'write'>) => Promise<void>;
  /** steward.yaml, without where it listens and whom it tells. */
  readonly config: string;
}

/** Counts the starts of a unit where the unit cannot get it wrong. */
export const COUNT_STARTS = `ExecStartPre=+/bin/sh -c 'echo start >> /var/starts/%n'`;

export async function startMachine({ packages, prepare, config }: MachineOptions): Promise<Machine> {
  await using building = new AsyncDisposableStack();
  const dockerd: Dockerd = building.use(await startDockerd({ network: true }));
  const systemd = building.use(
    await startSystemdContainer(dockerd, {
      packages,
      // Without tracing rights not even root may see which process holds a socket, unlike on a machine.
      run: [
        `--volume=${resolve(import.meta.dirname, '../..')}:${CHECKOUT}:ro`,
        '--cap-add=SYS_PTRACE',
        '--hostname=machine',
      ],
    }),
  );
  const sh = (script: string): Promise<string> => systemd.exec('/bin/sh', '-ec', script);
  const write = async (path: string, text: string): Promise<void> => {
    await systemd.exec('/bin/sh', '-ec', 'mkdir -p "$(dirname "$1")"; printf %s "$2" > "$1"', 'write', path, text);
  };
  const [address = '', gateway = ''] = (
    await dockerd.docker(
      'inspect',
      '--format',
      '{{.NetworkSettings.IPAddress}} {{.NetworkSettings.Gateway}}',
      systemd.id,
    )
  ).split(' ');
  const sink = await startAlertSink(gateway);
  building.defer(() => sink.stop());

  await sh('mkdir -p /var/starts');
  await prepare({ sh, write });
  await write(`${HOME}/sign`, sink.secret);
  await write(
    `${HOME}/steward.yaml`,
    `${config}
# Whatever else this machine is doing is not what the test is about.
machine: { watch: false }
server: { host: 0.0.0.0, trustedProxies: ['${gateway}/32'] }
alerts:
  hold: 500ms
  channels: [{ kind: webhook, name: people, url: '${sink.url}', secret: { file: ${HOME}/sign }, allowPrivate: true }]
`,
  );
  await sh(`chmod 600 ${HOME}/sign`);
  const steward = (...args: readonly string[]): Promise<string> =>
    systemd.exec(NODE, `${CHECKOUT}/bin/steward.js`, ...args);
  await steward('service', 'install').catch(async (cause: unknown) => {
    throw new Error(`steward is not installed:\n${await sh('journalctl -u steward --no-pager | tail -40')}`, { cause });
  });
  const { token } = JSON.parse(await steward('token', 'create', '--role', 'admin', '--name', 'test', '--json')) as {
    token: string;
  };
  const url = `http://${address}:${PORT}`;
  const log = await followEvents(url, token);
  building.defer(() => log.stop());

  const machine = building.move();
  return {
    api: apiOf(url, token),
    log,
    sink,
    systemd,
    sh,
    write,
    mainPid: async (unit) => Number(await systemd.exec('systemctl', 'show', '--property=MainPID', '--value', unit)),
    starts: async (unit) => Number(await sh(`wc -l < /var/starts/${unit} || echo 0`)),
    untilServing: async (withinMs = 60_000) =>
      void (await eventually(
        'Steward serves',
        async () => (await fetch(`${url}/api/v1/health`, { signal: AbortSignal.timeout(2_000) })).ok || undefined,
        withinMs,
      )),
    stop: () => machine.disposeAsync(),
  };
}
