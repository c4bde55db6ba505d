import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { SyslogMessage } from '../../core/syslog.ts';
import { createOutbound } from '../outbound/outbound.ts';
import { createPrograms } from '../programs/index.ts';
import { createSecretResolver } from '../secrets/secrets.ts';
import { createSyslog, type SyslogSettings } from './index.ts';

const RSYSLOGD = '/usr/sbin/rsyslogd';
const never = new AbortController().signal;

const message = (n: number, more: Partial<SyslogMessage> = {}): SyslogMessage => ({
  at: new Date('2026-11-20T12:00:00.123Z'),
  severity: 'notice',
  host: 'node-1',
  id: 'run.approved',
  data: { chain: 'ab12', seq: String(n), hash: 'f'.repeat(64) },
  text: JSON.stringify({ n, hostile: 'a "quoted] \\ text\nwith a second <13>line\u0000 and an ü' }),
  ...more,
});
const deps = {
  outbound: createOutbound(),
  programs: createPrograms({ environment: process.env }),
  secrets: createSecretResolver({
    variable: (name) => process.env[name],
    credentialsDirectory: undefined,
    log: { debug() {}, info() {}, warn() {}, error() {} },
  }),
};
const peer = (settings: Record<string, unknown>, timeoutMs = 5_000) =>
  createSyslog({ facility: 'audit', allowPrivate: true, host: '127.0.0.1', ...settings } as SyslogSettings, {
    ...deps,
    timeoutMs,
  });

describe.skipIf(!existsSync(RSYSLOGD))('syslog, to a real rsyslogd (Debian package rsyslog)', () => {
  let folder: string;
  let daemon: ChildProcess;
  let tcp = 0;
  let udp = 0;
  let tls = 0;
  const socket = (): string => join(folder, 'log');

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'stw-syslog-'));
    [tcp, tls] = [await freeTcp(), await freeTcp()];
    udp = await freeUdp();
    execFileSync(
      'openssl',
      [
        'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost',
        `-addext subjectAltName=DNS:localhost,IP:127.0.0.1 -keyout ${join(folder, 'key.pem')} -out ${join(folder, 'cert.pem')}`,
      ]
        .join(' ')
        .split(' '),
      { stdio: 'ignore' },
    );
    const template = '%pri%|%timestamp:::date-rfc3339%|%hostname%|%app-name%|%msgid%|%structured-data%|%msg%\\n';
    await writeFile(
      join(folder, 'rsyslog.conf'),
      `global(workDirectory="${folder}" maxMessageSize="16k")
module(load="imtcp")
module(load="imudp")
module(load="imuxsock" SysSock.Use="off")
template(name="whole" type="string" string="${template}")
ruleset(name="tcp") { action(type="omfile" file="${folder}/tcp.log" template="whole" flushOnTXEnd="on") }
ruleset(name="udp") { action(type="omfile" file="${folder}/udp.log" template="whole" flushOnTXEnd="on") }
ruleset(name="unix") { action(type="omfile" file="${folder}/unix.log" template="whole" flushOnTXEnd="on") }
input(type="imtcp" address="127.0.0.1" port="${tcp}" ruleset="tcp")
input(type="imudp" address="127.0.0.1" port="${udp}" ruleset="udp")
input(type="imuxsock" Socket="${folder}/log" ruleset="unix")
`,
    );
    daemon = await startDaemon(folder, tcp);
  });
  afterAll(async () => {
    daemon.kill('SIGKILL');
    await rm(folder, { recursive: true, force: true });
  });

  const written = async (name: string, lines: number): Promise<string[]> => {
    for (let waited = 0; ; waited += 50) {
      const text = await readFile(join(folder, name), 'utf8').catch(() => '');
      const found = text.split('\n').filter(Boolean);
      if (found.length >= lines || waited > 5_000) return found;
      await sleep(50);
    }
  };

  it.each([
    ['tcp', 'tcp.log'],
    ['udp', 'udp.log'],
  ])('arrives over %s with its structured data, one message a line whatever is in it', async (transport, file) => {
    const to = peer({ transport, port: transport === 'tcp' ? tcp : udp });
    await to.send([message(1), message(2, { severity: 'warning', text: 'x'.repeat(20_000) }), message(3)], never);

    const lines = await written(file, 3);
    expect(lines).toHaveLength(3);
    // Facility 13, severity 5.
    expect(lines[0]).toMatch(
      /^109\|2026-11-20T12:00:00\.123.*\|node-1\|steward\|run\.approved\|\[audit@32473 chain="ab12" seq="1" hash="f{64}"\]\|/,
    );
    expect(lines[0]).toContain('"n":1');
    expect(lines[1]).toMatch(/^108\|/);
    expect(lines[1]?.length).toBeLessThan(8_300);
    expect(lines[2]).toContain('seq="3"');
  });

  it('arrives over the socket of this machine', async () => {
    await peer({ transport: 'unix', path: socket() }).send([message(1), message(2, { severity: 'critical' })], never);

    const lines = await written('unix.log', 2);
    expect(lines).toHaveLength(2);
    expect(lines[0]).toMatch(/^109\|.*\|steward\|.*seq="1".*"n":1/);
    expect(lines[1]).toMatch(/^106\|.*seq="2"/);
  });

  it('arrives over TLS, where the certificate is one that is trusted', async () => {
    const received: string[] = [];
    const { createServer: createTlsServer } = await import('node:tls');
    const server = createTlsServer(
      { key: await readFile(join(folder, 'key.pem')), cert: await readFile(join(folder, 'cert.pem')) },
      (client) => client.on('data', (chunk: Buffer) => received.push(chunk.toString())),
    ).listen(tls, '127.0.0.1');
    await once(server, 'listening');
    try {
      await peer({ transport: 'tls', port: tls, ca: join(folder, 'cert.pem') }).send([message(1)], never);
      await expect(peer({ transport: 'tls', port: tls }).send([message(2)], never)).rejects.toMatchObject({
        code: 'UNAVAILABLE',
      });
      expect(received.join('')).toMatch(/^\d+ <109>1 /);
      expect(received.join('')).not.toContain('seq="2"');
    } finally {
      server.close();
    }
  });

  it('says that the daemon is gone, and is taken again when it is back', async () => {
    const before = (await written('tcp.log', 3)).length;
    daemon.kill('SIGKILL');
    await once(daemon, 'exit');
    await expect(peer({ transport: 'tcp', port: tcp }).send([message(8)], never)).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      retryable: true,
    });
    await expect(peer({ transport: 'udp', port: udp }).send([message(8)], never)).rejects.toMatchObject({
      code: 'UNAVAILABLE',
    });

    daemon = await startDaemon(folder, tcp);
    await peer({ transport: 'tcp', port: tcp }).send([message(9)], never);
    const lines = await written('tcp.log', before + 1);
    expect(lines.at(-1)).toContain('seq="9"');
  });
});

describe('syslog, to peers that misbehave', () => {
  const servers: Server[] = [];
  const sockets: Socket[] = [];
  afterEach(() => {
    for (const socket of sockets.splice(0)) socket.destroy();
    for (const server of servers.splice(0)) server.close();
  });
  const serve = async (onSocket: (socket: Socket) => void, halfOpen = true): Promise<number> => {
    const server = createServer({ allowHalfOpen: halfOpen }, (socket) => {
      sockets.push(socket);
      socket.on('error', () => undefined);
      onSocket(socket);
    }).listen(0, '127.0.0.1');
    servers.push(server);
    await once(server, 'listening');
    return (server.address() as AddressInfo).port;
  };

  it('does not believe one that takes everything and never closes', async () => {
    const port = await serve((socket) => socket.resume());
    await expect(peer({ transport: 'tcp', port }, 300).send([message(1)], never)).rejects.toMatchObject({
      code: 'TIMEOUT',
      retryable: true,
    });
  });

  it('does not wait for one that never reads', async () => {
    const port = await serve(() => undefined);
    const many = Array.from({ length: 200 }, (_, n) => message(n, { text: 'x'.repeat(7_000) }));
    await expect(peer({ transport: 'tcp', port }, 500).send(many, never)).rejects.toMatchObject({ code: 'TIMEOUT' });
  });

  it('does not believe one that breaks off', async () => {
    const port = await serve((socket) => setTimeout(() => socket.resetAndDestroy(), 20));
    await expect(peer({ transport: 'tcp', port }).send([message(1)], never)).rejects.toMatchObject({
      code: 'UNAVAILABLE',
    });
  });

  it('does not call this machine unless that is meant', async () => {
    await expect(
      peer({ transport: 'tcp', port: 1, allowPrivate: false }).send([message(1)], never),
    ).rejects.toMatchObject({ code: 'FORBIDDEN' });
  });
});

async function startDaemon(folder: string, tcp: number): Promise<ChildProcess> {
  const daemon = spawn(RSYSLOGD, ['-n', '-f', join(folder, 'rsyslog.conf'), '-i', join(folder, 'pid')], {
    stdio: 'ignore',
  });
  for (let waited = 0; waited < 5_000; waited += 50) {
    if (await listens(tcp)) return daemon;
    await sleep(50);
  }
  throw new Error('rsyslogd does not listen');
}

async function listens(port: number): Promise<boolean> {
  const { connect } = await import('node:net');
  const socket = connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

async function freeTcp(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  return port;
}

async function freeUdp(): Promise<number> {
  const socket = createSocket('udp4').bind(0, '127.0.0.1');
  await once(socket, 'listening');
  const { port } = socket.address();
  socket.close();
  return port;
}
