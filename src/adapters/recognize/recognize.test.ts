import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer as createHttp, type RequestListener } from 'node:http';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import type { ProgramsPort } from '../../core/ports/programs.ts';
import { scriptOf } from './app-name.ts';
import { createRecognizer } from './index.ts';

const servers: { server: Server; sockets: Set<Socket> }[] = [];

afterEach(async () => {
  for (const { server, sockets } of servers.splice(0)) {
    for (const socket of sockets) socket.destroy();
    server.close();
  }
});

async function listening(server: Server): Promise<number> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
  });
  servers.push({ server, sockets });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}
const peer = async (onConnection: (socket: Socket) => void): Promise<number> =>
  await listening(createServer(onConnection));
const site = async (answer: RequestListener): Promise<number> => await listening(createHttp(answer));

const refused = (): Promise<never> => Promise.reject(new Error('no program may be started here'));
const noPrograms: ProgramsPort = { run: refused, stream: refused };
const recognizer = createRecognizer({ programs: noPrograms, timeoutMs: 150 });
const look = async (port: number, hints: string[] = []) =>
  await recognizer.look({ address: '0.0.0.0', port, hints }, new AbortController().signal);

describe('a port', () => {
  it('that is closed took no connection', async () => {
    const server = createServer();
    const port = await listening(server);
    await new Promise((closed) => server.close(closed));

    expect(await look(port)).toEqual({ answer: 'refused', sightings: [] });
  });

  it('that says nothing is silent, not named', async () => {
    const port = await peer(() => undefined);

    expect(await look(port, ['postgresql', 'redis'])).toEqual({ answer: 'silent', sightings: [] });
  });

  it('that never stops talking is cut off', async () => {
    const port = await peer((socket) => {
      const talk = (): void => {
        while (socket.writable && socket.write('x'.repeat(65_536)));
      };
      socket.on('drain', talk);
      talk();
    });

    const { sightings } = await look(port);

    expect(sightings).toMatchObject([{ source: 'banner', protocol: 'unknown' }]);
    expect(sightings[0]?.detail.length).toBeLessThan(300);
  });

  it('that hangs up at once is no trouble', async () => {
    const port = await peer((socket) => socket.destroy());

    expect((await look(port)).sightings.filter(({ product }) => product)).toEqual([]);
  });

  it('that sends control characters gives text that is safe to show', async () => {
    const port = await peer((socket) => socket.write('\u001b[31mred\u0007\r\nnext'));

    expect((await look(port)).sightings[0]?.detail).toBe('greets with: [31mred next');
  });
});

describe('a claim without its protocol', () => {
  it('is a banner where nothing follows the name of an SSH server', async () => {
    const port = await peer((socket) => socket.write('SSH-2.0-OpenSSH_9.9p1 Debian-1\r\n'));

    expect((await look(port)).sightings).toMatchObject([{ source: 'banner', product: 'openssh', version: '9.9p1' }]);
  });

  it('is a banner where NATS does not answer PING', async () => {
    const port = await peer((socket) => socket.write('INFO {"server_id":"x","version":"2.10.0"}\r\n'));

    expect((await look(port)).sightings).toMatchObject([{ source: 'banner', product: 'nats', version: '2.10.0' }]);
  });

  it('is nothing where PostgreSQL agrees to everything and proves nothing', async () => {
    const port = await peer((socket) => socket.on('data', () => socket.write('N')));

    expect((await look(port, ['postgresql'])).sightings.filter(({ source }) => source === 'handshake')).toEqual([]);
  });

  it('is self-description where a page calls itself Grafana and its endpoint does not', async () => {
    const port = await site((request, response) => {
      response.setHeader('Server', 'nginx/1.25');
      response.end('<title>Grafana</title>');
    });

    const { sightings } = await look(port);

    expect(sightings.map(({ product }) => product)).toEqual([undefined]);
    expect(sightings).toMatchObject([{ source: 'http', fields: { title: 'Grafana', 'header.server': 'nginx/1.25' } }]);
  });
});

describe('a protocol', () => {
  it('of Redis is proven by PING, with the version where INFO is allowed', async () => {
    const port = await peer((socket) =>
      socket.on('data', (data) =>
        socket.write(
          data.includes('PING')
            ? '+PONG\r\n'
            : data.includes('INFO')
              ? '$40\r\n# Server\r\nredis_version:7.2.4\r\nexecutable:x\r\n\r\n'
              : "-ERR unknown command 'GET'\r\n",
        ),
      ),
    );

    for (const hints of [[], ['redis']])
      expect((await look(port, hints)).sightings).toMatchObject([
        { source: 'handshake', product: 'redis', version: '7.2.4' },
      ]);
  });

  it('of Redis is proven by its refusal as well', async () => {
    const port = await peer((socket) => socket.on('data', () => socket.write('-NOAUTH Authentication required.\r\n')));

    expect((await look(port)).sightings).toMatchObject([{ source: 'handshake', product: 'redis', version: undefined }]);
  });

  it('of assistants is asked only where a server hints at it', async () => {
    const asked: string[] = [];
    const port = await site((request, response) => {
      asked.push(`${request.method} ${request.url}`);
      response.end(
        request.method === 'POST'
          ? JSON.stringify({
              jsonrpc: '2.0',
              id: 1,
              result: { protocolVersion: '2025-11-25', serverInfo: { name: 'tools', version: '1.2.0' } },
            })
          : 'ok',
      );
    });

    expect((await look(port)).sightings).toHaveLength(1);
    expect(asked.some((line) => line.startsWith('POST'))).toBe(false);
    expect((await look(port, ['mcp-server'])).sightings).toMatchObject([
      { protocol: 'http' },
      { protocol: 'mcp', product: 'mcp-server', version: '1.2.0' },
    ]);
  });

  it('is looked at by few at a time', async () => {
    let open = 0;
    let most = 0;
    const port = await peer((socket) => {
      most = Math.max(most, ++open);
      setTimeout(() => {
        open -= 1;
        socket.end('ready\r\n');
      }, 20);
    });
    const few = createRecognizer({ programs: noPrograms, timeoutMs: 150, concurrency: 3 });

    const looks = await Promise.all(
      Array.from(
        { length: 12 },
        async () => await few.look({ address: '127.0.0.1', port, hints: [] }, new AbortController().signal),
      ),
    );

    expect(looks.every(({ answer }) => answer === 'spoke')).toBe(true);
    expect(most).toBeLessThanOrEqual(3);
  });
});

describe('the name of an application', () => {
  it.each([
    [['node', '--import', 'x.js', 'server.js', '3000'], { kind: 'script', value: 'server.js' }],
    [['python3', '-m', 'http.server', '8000'], { kind: 'module', value: 'http.server' }],
    [['java', '-jar', 'app.jar'], { kind: 'script', value: 'app.jar' }],
    [['python3', '-c', 'import this'], undefined],
    [['/usr/sbin/nginx', 'x'], undefined],
  ])('of %j', (argv, expected) => {
    expect(scriptOf(argv)).toEqual(expected);
  });

  it('is not taken from a folder that code on the command line or a Python script merely runs in', async () => {
    // This process runs in the folder of a package.
    expect(await recognizer.app({ pid: process.pid, argv: ['node', '-e', '0'] })).toBeUndefined();
    expect(await recognizer.app({ pid: process.pid, argv: ['python3', 'stock.py'] })).toEqual({
      name: 'stock',
      from: 'script',
    });
  });

  it('comes from the package next to the script, through the process itself', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'stw-app-'));
    try {
      await mkdir(join(folder, 'src'));
      await writeFile(join(folder, 'package.json'), '{"name":"@team/shop","version":"2.4.1"}');

      expect(await recognizer.app({ pid: process.pid, argv: ['node', join(folder, 'src', 'main.js')] })).toEqual({
        name: '@team/shop',
        from: 'package',
        version: '2.4.1',
      });
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});

it('never runs a program that others than root can replace', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'stw-program-'));
  try {
    await writeFile(join(folder, 'postgres'), '#!/bin/sh\necho 15.1\n', { mode: 0o755 });

    // The port throws when it is asked to start anything.
    expect(await recognizer.programVersion(join(folder, 'postgres'), ['--version'])).toBeUndefined();
  } finally {
    await rm(folder, { recursive: true });
  }
});
