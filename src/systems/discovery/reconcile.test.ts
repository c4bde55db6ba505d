import { describe, expect, it } from 'vitest';
import type { ConfiguredService, KnownResource } from '../../core/inventory-writer.ts';
import type { ContainerInfo } from '../../core/ports/docker.ts';
import type { ProcessInfo } from '../../core/ports/processes.ts';
import type { Listener } from '../../core/ports/sockets.ts';
import type { SightedRecipe } from '../../core/recipe-keeper.ts';
import type { UnitInfo } from '../../core/ports/systemd.ts';
import { fakeProcesses } from '../../testing/fakes/fake-processes.ts';
import { identify } from './identify.ts';
import { type Identified, matchKnown } from './match.ts';
import { observe } from './observe.ts';
import { reconcile } from './reconcile.ts';

/** A machine in memory and the inventory that follows it, scan by scan. */
function machine() {
  const processes = fakeProcesses();
  const listeners: Listener[] = [];
  const containers: ContainerInfo[] = [];
  const units: UnitInfo[] = [];
  let known: KnownResource[] = [];
  let id = 0;
  let minutes = 0;

  return {
    units,
    containers,
    start: processes.start,
    run(argv: string[], port: number, part: Partial<ProcessInfo> = {}): ProcessInfo {
      const process = processes.start(argv, part);
      listeners.push({ protocol: 'tcp', address: '127.0.0.1', port, pids: [process.pid], uid: process.uid });
      return process;
    },
    end(process: ProcessInfo): void {
      processes.end(process.pid);
      listeners.splice(0, listeners.length, ...listeners.filter(({ pids }) => !pids.includes(process.pid)));
    },
    listen(process: ProcessInfo, listener: Partial<Listener>): void {
      listeners.push({ protocol: 'tcp', address: '127.0.0.1', port: 0, pids: [process.pid], uid: 0, ...listener });
    },
    wait(more: number): void {
      minutes += more;
    },
    async scan(
      options: {
        configured?: ConfiguredService[];
        down?: string[];
        stillThere?: string[];
        blind?: { docker: boolean; systemd: boolean };
        self?: number[];
        sighted?: [string, SightedRecipe][];
      } = {},
    ) {
      const configured = options.configured ?? [];
      const observations = observe({
        listeners,
        processes: await processes.list(),
        containers,
        units,
        self: new Set(options.self),
      });
      const { matched, missing } = matchKnown(observations, known, configured);
      const identified = matched.map(({ observation, known: before }): Identified => {
        const { root } = observation;
        const identification = identify({
          process: root,
          app: undefined,
          unit: observation.unit?.name,
          container: undefined,
          recognitions: [],
          programVersion: undefined,
        });
        return {
          observation,
          known: before,
          identification,
          looks: {},
          app: undefined,
          programVersion: undefined,
        };
      });
      const changes = reconcile({
        node: 'node_a',
        now: new Date(Date.UTC(2026, 10, 20, 8, minutes)),
        known,
        identified,
        missing,
        configured,
        newId: () => `svc_${++id}`,
        stillThere: new Set(options.stillThere),
        down: new Set(options.down),
        blind: options.blind ?? { docker: false, systemd: false },
        sighted: new Map(options.sighted),
        grace: { scans: 3, ms: 15 * 60_000, downMs: 24 * 3_600_000 },
      });
      const touched = new Map(changes.map((change) => [change.known.resource.id, change.known]));
      // As it comes back from the store.
      known = structuredClone([...known.filter(({ resource }) => !touched.has(resource.id)), ...touched.values()]);
      return {
        kinds: changes.map(({ kind }) => kind),
        changes,
        services: known.map(({ resource }) => resource).toSorted((a, b) => a.id.localeCompare(b.id)),
      };
    },
  };
}

const configured = (part: Partial<ConfiguredService> & { name: string }): ConfiguredService => ({
  critical: false,
  labels: {},
  dependsOn: [],
  checks: [],
  restart: 'auto',
  ...part,
});

const aUnit = (name: string, part: Partial<UnitInfo> = {}): UnitInfo => ({
  unit: name,
  scope: 'system',
  description: '',
  loadState: 'loaded',
  activeState: 'active',
  subState: 'running',
  result: 'success',
  mainPid: 77,
  execMainStatus: 0,
  restarts: 0,
  restartPolicy: 'no',
  activeSince: undefined,
  inactiveSince: undefined,
  fragmentPath: `/etc/systemd/system/${name}`,
  ...part,
});

describe('a bare process', () => {
  it('is the same after a restart, on the same port and on another', async () => {
    const world = machine();
    const first = world.run(['/usr/bin/redis-server', '--port', '6400'], 6400);
    await world.scan();

    world.end(first);
    const second = world.run(['/usr/bin/redis-server', '--port', '6400'], 6400);
    expect((await world.scan()).kinds).toEqual(['refreshed']);
    world.end(second);
    world.run(['/usr/bin/redis-server', '--port', '6500'], 6500);
    const { changes, services } = await world.scan();

    expect(changes).toMatchObject([{ kind: 'changed', changed: ['endpoints'] }]);
    expect(services).toMatchObject([{ id: 'svc_1', name: 'redis', endpoints: [{ port: 6500 }] }]);
  });

  it('is the same with other arguments, where it is the only one of its kind', async () => {
    const world = machine();
    const first = world.run(['/usr/bin/memcached', '-m', 'small'], 11_211);
    await world.scan();

    world.end(first);
    world.run(['/usr/bin/memcached', '-m', 'large'], 11_211);

    expect((await world.scan()).services).toMatchObject([{ id: 'svc_1', state: 'present' }]);
  });

  it('is two where two run, and they never swap, whatever order they come back in', async () => {
    const world = machine();
    const one = world.run(['/usr/bin/redis-server'], 6400);
    const two = world.run(['/usr/bin/redis-server'], 6500);
    const before = (await world.scan()).services;

    world.end(one);
    world.end(two);
    world.run(['/usr/bin/redis-server'], 6500);
    world.run(['/usr/bin/redis-server'], 6400);
    const after = (await world.scan()).services;

    expect(before.map(({ name }) => name)).toEqual(['redis', 'redis-6500']);
    expect(new Set(before.map(({ identity }) => identity)).size).toBe(2);
    expect(after.map(({ id, endpoints }) => [id, endpoints[0]?.port])).toEqual(
      before.map(({ id, endpoints }) => [id, endpoints[0]?.port]),
    );
  });

  it('is another where another script starts in its place', async () => {
    const world = machine();
    const one = world.run(['/usr/bin/python3', 'a.py'], 8000);
    await world.scan();

    world.end(one);
    world.run(['/usr/bin/python3', 'b.py'], 8000);

    expect((await world.scan()).kinds.toSorted()).toEqual(['found', 'missing']);
  });

  it('is gone after three scans and a quarter of an hour, keeps its tombstone, and returns as itself', async () => {
    const world = machine();
    const process = world.run(['/usr/bin/memcached'], 11_211);
    await world.scan();

    world.end(process);
    const kinds: string[][] = [];
    for (let scans = 0; scans < 5; scans += 1) {
      kinds.push((await world.scan()).kinds);
      world.wait(5);
    }
    expect(kinds).toEqual([['missing'], ['missing'], ['missing'], ['gone'], []]);
    world.run(['/usr/bin/memcached'], 11_311);
    const { kinds: last, services } = await world.scan();

    expect(last).toEqual(['returned']);
    expect(services).toMatchObject([{ id: 'svc_1', state: 'present' }]);
    expect(services[0]?.goneSince).toBeUndefined();
  });

  it('stays visible for a day while monitoring calls it down', async () => {
    const world = machine();
    const process = world.run(['/usr/bin/redis-server'], 6400);
    await world.scan();
    world.end(process);

    for (let scans = 0; scans < 10; scans += 1) {
      world.wait(60);
      expect((await world.scan({ down: ['svc_1'] })).kinds).toEqual(['missing']);
    }
    world.wait(24 * 60);

    expect((await world.scan({ down: ['svc_1'] })).kinds).toEqual(['gone']);
  });
});

describe('groups', () => {
  it('makes one service of a master and its workers', async () => {
    const world = machine();
    const master = world.run(['/usr/sbin/nginx'], 80);
    const worker = world.start(['/usr/sbin/nginx'], { parent: master.pid });
    world.listen(master, { port: 443, pids: [master.pid, worker.pid] });

    expect((await world.scan()).services).toMatchObject([
      { product: 'nginx', endpoints: [{ port: 80 }, { port: 443 }] },
    ]);
  });

  it('keeps Steward itself out, and the PostgreSQL that it brings', async () => {
    const world = machine();
    const own = [
      world.run(['/usr/bin/node', 'cli.ts', 'serve'], 3000).pid,
      world.run(['/home/pg/bin/postgres'], 5500).pid,
    ];
    world.run(['/usr/lib/postgresql/15/bin/postgres'], 5432);

    expect((await world.scan({ self: own })).services).toMatchObject([
      { product: 'postgresql', endpoints: [{ port: 5432 }] },
    ]);
  });

  it('recognizes the Steward of somebody else', async () => {
    const world = machine();
    world.run(['/usr/bin/node', '/opt/steward/bin/steward.js', 'serve'], 3000);

    expect((await world.scan()).services).toMatchObject([{ product: 'steward' }]);
  });
});

describe('supervised services', () => {
  const container = (part: Partial<ContainerInfo>): ContainerInfo => ({
    id: 'c1',
    name: 'db',
    image: 'postgres:16',
    labels: {},
    state: 'running',
    health: 'none',
    healthLog: undefined,
    exitCode: 0,
    oomKilled: false,
    stoppedOnPurpose: false,
    restartCount: 0,
    restartPolicy: 'always',
    pid: 0,
    startedAt: undefined,
    finishedAt: undefined,
    networks: [],
    ports: [{ container: 5432, host: 15_432, protocol: 'tcp' }],
    command: [],
    ...part,
  });

  it('gives a published port to its container, not to the proxy in between', async () => {
    const world = machine();
    world.containers.push(container({}));
    world.run(['/usr/bin/docker-proxy'], 15_432);

    const { services } = await world.scan();

    expect(services).toMatchObject([
      { name: 'db', supervisor: { kind: 'docker', container: 'c1' }, endpoints: [{ port: 15_432 }] },
    ]);
  });

  it('keeps a container that stopped and one that was created anew, and forgets finished jobs', async () => {
    const world = machine();
    world.containers.push(container({}));
    await world.scan();
    world.containers.splice(
      0,
      1,
      container({ id: 'c2', state: 'exited', ports: [] }),
      container({ id: 'c3', name: 'migrate', state: 'exited', restartPolicy: 'no' }),
    );

    const { services, kinds } = await world.scan();

    expect(kinds).toEqual(['refreshed']);
    expect(services).toMatchObject([
      { id: 'svc_1', state: 'present', supervisor: { container: 'c2' }, endpoints: [{ port: 15_432 }] },
    ]);
  });

  it('keeps the ports of what is just starting, and forgets those that a running service no longer has', async () => {
    const world = machine();
    const unit = { unit: 'web.service', user: 'root' };
    const first = world.run(['/usr/bin/app'], 8000, unit);
    world.units.push(aUnit('web.service', { mainPid: first.pid }));
    await world.scan();

    world.end(first);
    const second = world.start(['/usr/bin/app'], { ...unit, startedAt: new Date(Date.UTC(2026, 10, 20, 8, 0)) });
    world.units.splice(0, 1, aUnit('web.service', { mainPid: second.pid }));

    expect((await world.scan()).services).toMatchObject([
      { name: 'web', endpoints: [{ port: 8000 }], pids: [second.pid] },
    ]);
    world.wait(20);
    expect((await world.scan()).services).toMatchObject([{ name: 'web', endpoints: [] }]);
  });

  it('calls nothing missing that it was not able to look at', async () => {
    const world = machine();
    world.containers.push(container({}));
    await world.scan();
    world.containers.pop();
    world.wait(600);

    const { kinds, services } = await world.scan({ blind: { docker: true, systemd: false } });

    expect(kinds).toEqual([]);
    expect(services).toMatchObject([{ state: 'present' }]);
  });

  it('takes units somebody installed and leaves the operating system its own', async () => {
    const world = machine();
    world.units.push(
      aUnit('queue-worker.service'),
      aUnit('systemd-journald.service'),
      aUnit('dbus.service'),
      aUnit('backup.service', { subState: 'exited', mainPid: 0 }),
      aUnit('broken.service', { activeState: 'failed', subState: 'failed', mainPid: 0 }),
    );

    const { services } = await world.scan();

    expect(services.map(({ name }) => name)).toEqual(['queue-worker', 'broken']);
    expect(services[0]).toMatchObject({
      identity: 'systemd:system:queue-worker.service',
      supervisor: { kind: 'systemd', unit: 'queue-worker.service' },
    });
    world.units.length = 0;
    expect((await world.scan({ stillThere: ['svc_1', 'svc_2'] })).services).toMatchObject([
      { state: 'present' },
      { state: 'present' },
    ]);
  });

  it('names a supervisor that it does not drive', async () => {
    const world = machine();
    const daemon = world.start(['PM2 v5.4.2: God Daemon (/root/.pm2)'], { executable: '/usr/bin/node' });
    world.run(['/usr/bin/node', 'api.js'], 8100, { parent: daemon.pid });

    expect((await world.scan()).services).toMatchObject([{ supervisor: { kind: 'foreign', name: 'pm2' } }]);
  });
});

describe('the configuration', () => {
  it('names what it matches, keeps its id, and gives it back its own name never twice', async () => {
    const world = machine();
    world.run(['/usr/bin/redis-server'], 6400);
    await world.scan();

    const { services, changes } = await world.scan({
      configured: [configured({ name: 'cache', match: { port: 6400 }, critical: true, labels: { team: 'web' } })],
    });

    expect(services).toMatchObject([
      { id: 'svc_1', name: 'cache', critical: true, origin: 'configured', labels: { team: 'web' } },
    ]);
    expect(changes[0]?.changed.toSorted()).toEqual(['critical', 'labels', 'name', 'origin']);
  });

  it('means the service that its checks ask, where it says nothing else', async () => {
    const world = machine();
    world.run(['/usr/bin/redis-server'], 6400);
    const service = configured({ name: 'cache', checks: [{ kind: 'tcp', host: '127.0.0.1', port: 6400 }] });
    const remote = configured({ name: 'far', checks: [{ kind: 'tcp', host: 'db.example', port: 6400 }] });

    expect((await world.scan({ configured: [service, remote] })).services).toMatchObject([
      { name: 'cache', product: 'redis', origin: 'configured' },
      { name: 'far', identity: 'configured:far', endpoints: [{ address: 'db.example', port: 6400 }] },
    ]);
  });

  it('gives a name to one service only, and takes it from one that has it by chance', async () => {
    const world = machine();
    world.run(['/usr/bin/memcached'], 11_211);
    world.run(['/usr/bin/redis-server'], 6400);
    world.run(['/usr/bin/redis-server'], 6500);
    await world.scan();
    const entries = [
      configured({ name: 'cache', match: { product: 'redis' } }),
      configured({ name: 'memcached', checks: [{ kind: 'tcp', host: 'far.example', port: 11_211 }] }),
    ];

    const names = (await world.scan({ configured: entries })).services.map(({ name }) => name);

    expect(names).toEqual(['memcached-11211', 'cache', 'redis-6500', 'memcached']);
    expect((await world.scan({ configured: entries })).kinds).toEqual(['seen', 'seen', 'seen', 'seen']);
  });

  it('ignores what it says to ignore, under its own name, and takes it up again when it says so no longer', async () => {
    const world = machine();
    world.run(['/usr/bin/redis-server'], 6400);
    const ignore = configured({ name: 'ignored-1', match: { port: 6400 }, labels: { 'steward.ignore': 'true' } });
    const nothing = configured({ name: 'ignored-2', match: { port: 1 }, labels: { 'steward.ignore': 'true' } });

    expect((await world.scan({ configured: [ignore, nothing] })).services).toMatchObject([
      { name: 'redis', adoption: 'ignored', origin: 'discovered' },
    ]);
    const { changes, services } = await world.scan();

    expect(services).toMatchObject([{ name: 'redis', adoption: 'adopted' }]);
    expect(changes).toMatchObject([{ kind: 'changed', changed: ['adoption'] }]);
  });

  it('knows a service before it runs, and it is the same one when it does', async () => {
    const world = machine();
    const services = [configured({ name: 'cache', match: { port: 6400, product: 'redis' } })];
    expect((await world.scan({ configured: services })).services).toMatchObject([
      { id: 'svc_1', name: 'cache', endpoints: [{ port: 6400 }] },
    ]);

    const process = world.run(['/usr/bin/redis-server'], 6400);
    expect((await world.scan({ configured: services })).services).toMatchObject([
      { id: 'svc_1', product: 'redis', pids: [process.pid] },
    ]);
    world.end(process);
    world.wait(60);

    expect((await world.scan({ configured: services })).services).toMatchObject([
      { id: 'svc_1', state: 'present', pids: [] },
    ]);
  });
});

describe('how a bare process would be started again', () => {
  const recipe = { argv: ['/srv/app'], executable: '/srv/app', cwd: '/srv', uid: 1, gid: 1 };
  const process: [string, SightedRecipe] = ['app', { supervisor: { kind: 'process', recipe } }];
  const entry = (part: Partial<ConfiguredService> = {}): ConfiguredService =>
    configured({ name: 'app', match: { port: 9000 }, restart: 'process', ...part });

  it('stays known while it does not run, until its owner takes the consent back', async () => {
    const world = machine();
    const running = world.run(['/srv/app'], 9000);
    await world.scan({ configured: [entry()], sighted: [process] });
    world.end(running);

    expect((await world.scan({ configured: [entry()] })).services).toMatchObject([
      { supervisor: { kind: 'process', recipe }, labels: { 'steward.restart': 'process' } },
    ]);
    const { services, changes } = await world.scan({ configured: [entry({ restart: 'auto' })] });
    expect(services).toMatchObject([{ supervisor: { kind: 'none' }, labels: {} }]);
    expect(changes).toMatchObject([{ kind: 'changed', changed: ['supervisor', 'labels'] }]);
  });

  it('stays known where it dies while it is looked at', async () => {
    const world = machine();
    world.run(['/srv/app'], 9000);
    await world.scan({ configured: [entry()], sighted: [process] });

    expect((await world.scan({ configured: [entry()] })).services).toMatchObject([
      { supervisor: { kind: 'process', recipe } },
    ]);
    expect((await world.scan({ configured: [entry({ restart: 'auto' })] })).services).toMatchObject([
      { supervisor: { kind: 'none' } },
    ]);
  });

  it('is learned from the configuration also for what does not run, and forgotten with it', async () => {
    const world = machine();
    const said: [string, SightedRecipe] = ['app', { supervisor: { kind: 'process', recipe, origin: 'configured' } }];
    expect((await world.scan({ configured: [entry()], sighted: [said] })).services).toMatchObject([
      { supervisor: { kind: 'process', origin: 'configured' } },
    ]);
    expect((await world.scan({ configured: [entry()] })).services).toMatchObject([{ supervisor: { kind: 'none' } }]);

    expect((await world.scan({ configured: [entry()], sighted: [said] })).services).toMatchObject([
      { supervisor: { kind: 'process' } },
    ]);
  });

  it('says why it is not known', async () => {
    const world = machine();
    world.run(['/srv/app'], 9000);
    const reason: [string, SightedRecipe] = ['app', { supervisor: { kind: 'none', reason: 'It wrote a title.' } }];
    expect((await world.scan({ configured: [entry()], sighted: [reason] })).services).toMatchObject([
      { supervisor: { kind: 'none', reason: 'It wrote a title.' } },
    ]);
  });
});
