import { defined } from '../defined.ts';
import { describe, expect, it } from 'vitest';
import { dockerContract } from '../../adapters/docker/docker.contract.ts';
import { filesContract } from '../../adapters/files/files.contract.ts';
import { processesContract } from '../../adapters/processes/processes.contract.ts';
import { programsContract } from '../../adapters/programs/programs.contract.ts';
import { systemdContract } from '../../adapters/systemd/systemd.contract.ts';
import { fakeDocker } from './fake-docker.ts';
import { fakeFiles } from './fake-files.ts';
import { aResource, fakeInventory } from './fake-inventory.ts';
import { fakeProber } from './fake-prober.ts';
import { fakeProcesses } from './fake-processes.ts';
import { fakePrograms } from './fake-programs.ts';
import { fakeSockets } from './fake-sockets.ts';
import { fakeSystemd } from './fake-systemd.ts';

dockerContract('fakeDocker', async () => {
  const docker = fakeDocker();
  return {
    docker,
    run: async (name) => docker.run(name),
    stop: async (id) => docker.stop(id),
    crash: async (id) => docker.crash(id, 137),
    finish: async (id) => docker.crash(id, 0),
    say: async (id, line) => docker.say(id, line),
    async close() {},
  };
});

systemdContract('fakeSystemd', async () => {
  const systemd = fakeSystemd();
  return {
    systemd,
    start: async (unit) => systemd.add(unit),
    stop: async (unit) => systemd.stop(unit),
    crash: async (unit) => systemd.crash(unit),
    breakIt: async (unit) => systemd.onRestart(unit, 'fails'),
    say: async (unit, line) => systemd.say(unit, line),
    async close() {},
  };
});

programsContract('fakePrograms', async () => {
  const programs = fakePrograms();
  programs.install('print', ({ args }) => ({ [defined(args[1])]: defined(args[0]), exitCode: Number(args[2]) }));
  programs.install('cat', ({ input }) => ({ stdout: input ?? '' }));
  programs.install('hang', () => new Promise(() => {}));
  return {
    programs,
    prints: (text, to, exitCode) => ({ program: 'print', args: [text, to, String(exitCode)] }),
    echoes: () => ({ program: 'cat', args: [] }),
    hangs: () => ({ program: 'hang', args: [] }),
    async close() {},
  };
});

processesContract('fakeProcesses', async () => {
  const processes = fakeProcesses();
  return {
    processes,
    start: async () => processes.start(['/bin/sleep', '1000']).pid,
    freeze: async (pid) => processes.freeze(pid),
    async gone({ pid }) {
      if (await processes.get(pid)) throw new Error(`Process ${pid} is still there.`);
    },
    recipe: { argv: ['sleep', '1000'], executable: '/bin/sleep', cwd: '/srv', uid: 5, gid: 5 },
    outputPath: '/var/log/out',
    async close() {},
  };
});

filesContract('fakeFiles', async () => {
  const files = fakeFiles({ roots: ['/root-a', '/root-b'] });
  return {
    files,
    root: '/root-a',
    otherRoot: '/root-b',
    outside: '/elsewhere',
    write: async (path, content) => void files.write(path, content),
    link: async (path, to) => void files.link(path, to),
    hold: async (path) => files.setOpen(path, true),
    async close() {},
  };
});

describe('fakeInventory', () => {
  it('finds what depends on what, nearest first, in circles too', async () => {
    const inventory = fakeInventory(['app', 'api', 'db'].map((id) => aResource({ id })));
    inventory.link('app', 'api');
    inventory.link('api', 'db');
    inventory.link('db', 'app');

    expect((await inventory.dependenciesOf('app')).map(({ id }) => id)).toEqual(['api', 'db']);
    expect((await inventory.dependentsOf('app')).map(({ id }) => id)).toEqual(['db', 'api']);
  });

  it('refuses to guess between two of one name, and forgets the buried', async () => {
    const inventory = fakeInventory([aResource({ id: 'a', name: 'web' }), aResource({ id: 'b', name: 'web' })]);

    await expect(inventory.resolve('web')).rejects.toMatchObject({
      code: 'CONFLICT',
      message: expect.stringContaining('a, b'),
    });
    inventory.bury('a', new Date(0));

    expect(defined(await inventory.resolve('web')).id).toBe('b');
    expect((await inventory.find()).map(({ id }) => id)).toEqual(['b']);
    expect(await inventory.find({ state: 'all' })).toHaveLength(2);
  });
});

describe('fakeProber', () => {
  const target = { kind: 'tcp', host: '127.0.0.1', port: 80 } as const;
  const options = { timeoutMs: 20, slowMs: 100, signal: new AbortController().signal };

  it('answers what it was told, hangs where it was told, and calls slow answers degraded', async () => {
    const prober = fakeProber();

    expect(await prober.probe(target, options)).toMatchObject({ state: 'up' });
    prober.answer(target, { latencyMs: 200 });
    expect(await prober.probe(target, options)).toMatchObject({ state: 'degraded' });
    prober.hang(target);
    expect(await prober.probe(target, options)).toMatchObject({ state: 'down', latencyMs: 20 });
    expect(await prober.probe({ ...target, port: 81 }, options)).toMatchObject({ state: 'up' });
  });
});

describe('fakeSockets', () => {
  it('closes what only the ended process held', async () => {
    const sockets = fakeSockets();
    sockets.listen(80, { pids: [1, 2] });
    sockets.listen(81, { pids: [1] });

    sockets.closeOf(1);

    expect(await sockets.listeners()).toEqual([{ protocol: 'tcp', address: '127.0.0.1', port: 80, pids: [2], uid: 0 }]);
  });
});
