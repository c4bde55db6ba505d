import { defined } from '../../testing/defined.ts';
import { userInfo } from 'node:os';
import { execFileSync, spawn } from 'node:child_process';
import { connect, createServer, type Server } from 'node:net';
import { createSocket } from 'node:dgram';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { busyboxImage } from '../../testing/world/busybox-image.ts';
import { type Dockerd, dockerMissing, startDockerd } from '../../testing/world/dockerd.ts';
import { freePort, hasProgram } from '../../testing/world/start-program.ts';
import { tempFolder } from '../../testing/world/temp-folder.ts';
import { createProcesses } from '../processes/index.ts';
import { createPrograms } from '../programs/index.ts';
import { createSockets } from './index.ts';

const sockets = createSockets();
const open: Server[] = [];
async function listen(where: { port: number; host: string } | { path: string }): Promise<number> {
  const server = createServer();
  open.push(server);
  await new Promise<void>((resolve) => void server.listen(where, resolve));
  const address = server.address();
  return typeof address === 'object' && address ? address.port : 0;
}

describe('sockets of this machine', () => {
  afterAll(() => open.forEach((server) => server.close()));

  it('finds listeners of both families with the process that holds them', async () => {
    const four = await listen({ port: 0, host: '127.0.0.1' });
    const six = await listen({ port: 0, host: '::1' });
    const udp = createSocket('udp4');
    await new Promise<void>((resolve) => void udp.bind(0, '127.0.0.1', resolve));

    const found = await sockets.listeners();

    const own = { pids: [process.pid], uid: userInfo().uid };
    expect(found).toContainEqual({ protocol: 'tcp', address: '127.0.0.1', port: four, ...own });
    expect(found).toContainEqual({ protocol: 'tcp', address: '::1', port: six, ...own });
    expect(found).toContainEqual({ protocol: 'udp', address: '127.0.0.1', port: udp.address().port, ...own });
    udp.close();
  });

  it('names every process that shares a socket', async () => {
    const port = await listen({ port: 0, host: '127.0.0.1' });
    const server = defined(open.at(-1)) as Server & { _handle: { fd: number } };
    const child = spawn('sleep', ['1000'], { stdio: ['ignore', 'ignore', 'ignore', server._handle.fd] });
    await new Promise((resolve) => child.once('spawn', resolve));

    const found = (await sockets.listeners()).find((listener) => listener.port === port);

    expect(defined(found).pids.toSorted()).toEqual([process.pid, defined(child.pid)].toSorted());
    child.kill('SIGKILL');
  });

  it('sees at once what is new and what is closed, also for those who look often', async () => {
    await sockets.listeners({ recent: true });
    const port = await listen({ port: 0, host: '127.0.0.1' });
    const look = async () => (await sockets.listeners({ recent: true })).filter((listener) => listener.port === port);

    expect(await look()).toMatchObject([{ address: '127.0.0.1', pids: [process.pid] }]);
    // Once more, from what the look before has read.
    expect(await look()).toMatchObject([{ address: '127.0.0.1', pids: [process.pid] }]);

    await new Promise((resolve) => open.pop()?.close(resolve));
    expect(await look()).toEqual([]);
  });

  it('sees both ends of a connection', async () => {
    const port = await listen({ port: 0, host: '127.0.0.1' });
    const client = connect(port, '127.0.0.1');
    await new Promise((resolve) => defined(open.at(-1)).once('connection', resolve));

    const found = (await sockets.connections()).filter(
      ({ local, remote }) => local.port === port || remote.port === port,
    );

    const here = { address: '127.0.0.1', port: defined(client.localPort) };
    const there = { address: '127.0.0.1', port };
    expect(found).toHaveLength(2);
    expect(found).toContainEqual({ local: here, remote: there, pids: [process.pid] });
    expect(found).toContainEqual({ local: there, remote: here, pids: [process.pid] });
    client.destroy();
  });

  it("finds a database's Unix socket and no other", async () => {
    await using folder = await tempFolder();
    await listen({ path: join(folder.path, '.s.PGSQL.5432') });
    await listen({ path: join(folder.path, 'chat.sock') });

    const found = (await sockets.listeners()).filter(
      ({ protocol, address }) => protocol === 'unix' && address.startsWith(folder.path),
    );

    expect(found).toEqual([
      {
        protocol: 'unix',
        address: join(folder.path, '.s.PGSQL.5432'),
        port: 0,
        pids: [process.pid],
        uid: userInfo().uid,
      },
    ]);
  });

  it.skipIf(!hasProgram('ss'))('agrees with ss', async () => {
    const ours = (await sockets.listeners())
      .filter(({ protocol, container }) => protocol === 'tcp' && !container)
      .map(({ port }) => port);
    const theirs = execFileSync('ss', ['-Htln'])
      .toString()
      .trim()
      .split('\n')
      .map((line) => Number(defined(line.trim().split(/\s+/)[3]).split(':').at(-1)));

    // Others on the machine start and stop things between the two looks; what this test holds must be in both.
    const own = open
      .map((server) => server.address())
      .flatMap((address) => (typeof address === 'object' && address ? [address.port] : []));
    expect(own.length).toBeGreaterThan(2);
    for (const port of own) {
      expect(ours).toContain(port);
      expect(theirs).toContain(port);
    }
  });
});

const missing = dockerMissing();
describe.skipIf(missing !== undefined)(`sockets of containers${missing ? ` (skipped: ${missing})` : ''}`, () => {
  let engine: Dockerd;
  beforeAll(async () => {
    engine = await startDockerd();
    await busyboxImage(engine);
  });
  afterAll(() => engine?.stop());

  it('says in which container a port is', async () => {
    const id = await engine.docker('run', '--detach', 'busybox', 'httpd', '-f', '-p', '8080');
    const pid = Number(await engine.docker('inspect', '--format={{.State.Pid}}', id));

    const found = (await sockets.listeners()).filter(({ container }) => container === id);

    expect(found).toEqual([{ protocol: 'tcp', address: '::', port: 8080, pids: [pid], uid: 0, container: id }]);
  });

  it('leaves to the process which container it is, where that shares the network of the machine', async () => {
    const wanted = await freePort();
    const id = await engine.docker(
      'run',
      '--detach',
      '--network=host',
      'busybox',
      'httpd',
      '-f',
      '-p',
      `127.0.0.1:${wanted}`,
    );
    const pid = Number(await engine.docker('inspect', '--format={{.State.Pid}}', id));

    const found = (await sockets.listeners()).filter(({ port }) => port === wanted);

    expect(found).toEqual([{ protocol: 'tcp', address: '127.0.0.1', port: wanted, pids: [pid], uid: 0 }]);
    const processes = createProcesses({ programs: createPrograms({ environment: {} }) });
    expect(await processes.get(pid)).toMatchObject({ container: id, unit: undefined });
  });
});
