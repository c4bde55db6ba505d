import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { chmod, chown, writeFile } from 'node:fs/promises';
import { createServer } from 'node:https';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { CheckTarget, type ProbeResult } from '../../core/check.ts';
import { type Dockerd, dockerMissing, startDockerd } from '../../testing/world/dockerd.ts';
import { busyboxImage } from '../../testing/world/busybox-image.ts';
import { type RunningProgram, freePort, hasProgram, startProgram } from '../../testing/world/start-program.ts';
import { type TempFolder, tempFolder } from '../../testing/world/temp-folder.ts';
import { createDocker } from '../docker/index.ts';
import { createProcesses } from '../processes/index.ts';
import { createPrograms } from '../programs/index.ts';
import { createProber } from './index.ts';

const run = promisify(execFile);
const NOBODY = 65_534;
const SECRETS: Readonly<Record<string, string>> = { RIGHT: 's3cret', WRONG: 'guess' };
const processes = createProcesses({ programs: createPrograms({ environment: { PATH: '/usr/bin:/bin' } }) });
const secrets = async (reference: object): Promise<string> => SECRETS[(reference as { env: string }).env] ?? '';
const prober = createProber({ secrets, processes });

let folder: TempFolder;
const programs: RunningProgram[] = [];
beforeAll(async () => {
  folder = await tempFolder('stw-probes');
  await chmod(folder.path, 0o777);
});
afterAll(async () => {
  for (const program of programs.toReversed()) await program.stop();
  await prober.close();
  await folder.remove();
});

async function start(options: Parameters<typeof startProgram>[0]): Promise<RunningProgram> {
  const program = await startProgram(options);
  programs.push(program);
  return program;
}
const look = (target: object, timeoutMs = 3_000, by = prober): Promise<ProbeResult> =>
  by.probe(CheckTarget.parse(target), { timeoutMs, slowMs: 30_000, signal: new AbortController().signal });

/** Frozen it accepts connections, the kernel does that, and answers nothing. */
async function frozen(program: RunningProgram, looking: () => Promise<ProbeResult>): Promise<ProbeResult> {
  process.kill(program.pid, 'SIGSTOP');
  try {
    // The kernel stops it when it gets to it, which on a busy machine is later.
    await vi.waitFor(() => expect(readFileSync(`/proc/${program.pid}/stat`, 'utf8')).toMatch(/\) T /));
    return await looking();
  } finally {
    process.kill(program.pid, 'SIGCONT');
  }
}

describe.skipIf(!hasProgram('redis-server'))('Redis (needs redis-server)', () => {
  let open: number;
  let closed: number;
  let server: RunningProgram;
  beforeAll(async () => {
    [open, closed] = [await freePort(), await freePort()];
    server = await start({
      program: 'redis-server',
      args: ['--port', String(open), '--save', ''],
      cwd: folder.path,
      ready: { port: open },
    });
    await start({
      program: 'redis-server',
      args: ['--port', String(closed), '--save', '', '--requirepass', 's3cret'],
      cwd: folder.path,
      ready: { port: closed },
    });
  });

  it('answers PING where it asks for no password', async () => {
    expect(await look({ kind: 'redis', port: open })).toMatchObject({ state: 'up', depth: 'query' });
  });

  it('shows the handshake only where it asks for one, and the answer after login', async () => {
    expect(await look({ kind: 'redis', port: closed })).toMatchObject({
      state: 'up',
      depth: 'handshake',
      message: 'handshake only: it asks for a password',
    });
    expect(await look({ kind: 'redis', port: closed, password: { env: 'RIGHT' } })).toMatchObject({
      state: 'up',
      depth: 'query',
      message: 'PING answered after login',
    });
    expect(await look({ kind: 'redis', port: closed, password: { env: 'WRONG' } })).toMatchObject({
      state: 'down',
      detail: { code: 'LOGIN_REFUSED' },
    });
  });

  it('is down while it is frozen, although its port accepts', async () => {
    expect(await frozen(server, () => look({ kind: 'redis', port: open }, 300))).toMatchObject({ state: 'down' });
    expect(await frozen(server, () => look({ kind: 'process', pid: server.pid }))).toMatchObject({
      state: 'down',
      detail: { state: 'T' },
    });
    expect(await look({ kind: 'process', pid: server.pid })).toMatchObject({ state: 'up' });
  });

  it('is found again by executable and arguments after a restart', async () => {
    const { executable } = (await processes.get(server.pid)) ?? {};

    expect(await look({ kind: 'process', pid: 4_194_000, executable, argvContains: String(open) })).toMatchObject({
      state: 'up',
      detail: { pid: server.pid },
    });
    expect(await look({ kind: 'process', pid: 4_194_000, executable, argvContains: 'no such argument' })).toMatchObject(
      { state: 'down' },
    );
  });
});

const BIN = '/usr/lib/postgresql/15/bin';
describe.skipIf(process.getuid?.() !== 0 || !hasProgram(`../lib/postgresql/15/bin/postgres`))(
  'PostgreSQL (needs root and postgresql-15)',
  () => {
    let port: number;
    let server: RunningProgram;
    beforeAll(async () => {
      port = await freePort();
      const data = join(folder.path, 'pg');
      const password = join(folder.path, 'pw');
      await writeFile(password, 's3cret\n');
      await chown(password, NOBODY, NOBODY);
      await run(
        join(BIN, 'initdb'),
        ['-D', data, '-U', 'postgres', '--auth=scram-sha-256', `--pwfile=${password}`, '--no-sync'],
        { uid: NOBODY, gid: NOBODY },
      );
      server = await start({
        program: join(BIN, 'postgres'),
        args: [
          '-D',
          data,
          '-p',
          String(port),
          '-k',
          folder.path,
          '-c',
          'max_connections=4',
          '-c',
          'superuser_reserved_connections=1',
          '-c',
          'max_wal_senders=0',
        ],
        uid: NOBODY,
        gid: NOBODY,
        ready: { output: /ready to accept connections/ },
        stopMs: 10_000,
      });
    });

    it('shows the handshake without a password and leaves no line in its log', async () => {
      const before = server.output();

      expect(await look({ kind: 'postgres', port })).toMatchObject({
        state: 'up',
        depth: 'handshake',
        message: 'handshake only: no login was tried',
      });
      await new Promise((resolve) => setTimeout(resolve, 200));
      expect(server.output()).toBe(before);
    });

    it('returns 1 to SELECT 1 with a password, and refuses a wrong one', async () => {
      expect(await look({ kind: 'postgres', port, user: 'postgres', password: { env: 'RIGHT' } })).toMatchObject({
        state: 'up',
        depth: 'query',
        message: 'SELECT 1 returned 1',
      });
      expect(await look({ kind: 'postgres', port, user: 'postgres', password: { env: 'WRONG' } })).toMatchObject({
        state: 'down',
        detail: { code: 'LOGIN_REFUSED' },
      });
    });
  },
);

describe.skipIf(!hasProgram('mariadbd'))('MariaDB (needs mariadb-server)', () => {
  let port: number;
  beforeAll(async () => {
    port = await freePort();
    const data = join(folder.path, 'mysql');
    await run('mariadb-install-db', [
      '--no-defaults',
      `--datadir=${data}`,
      '--auth-root-authentication-method=normal',
      '--skip-test-db',
      ...(process.getuid?.() === 0 ? ['--user=root'] : []),
    ]);
    const init = join(folder.path, 'init.sql');
    await writeFile(init, "alter user root@localhost identified by 's3cret';\n");
    await start({
      program: 'mariadbd',
      args: [
        '--no-defaults',
        `--datadir=${data}`,
        `--port=${port}`,
        '--bind-address=127.0.0.1',
        `--socket=${join(folder.path, 'my')}`,
        `--init-file=${init}`,
        '--max-connect-errors=2',
        ...(process.getuid?.() === 0 ? ['--user=root'] : []),
      ],
      ready: { output: /ready for connections/ },
      stopMs: 10_000,
    });
  });

  it('shows the handshake without a password, and never so often that it is locked out', async () => {
    for (let times = 0; times < 10; times += 1) {
      expect(await look({ kind: 'mysql', port })).toMatchObject({
        state: 'up',
        depth: 'handshake',
        detail: { version: expect.stringContaining('MariaDB') },
      });
    }
  });

  it('returns 1 to SELECT 1 with a password, and refuses a wrong one', async () => {
    await vi.waitFor(
      async () =>
        expect(await look({ kind: 'mysql', port, user: 'root', password: { env: 'RIGHT' } })).toMatchObject({
          message: 'SELECT 1 returned 1',
          state: 'up',
          depth: 'query',
        }),
      5_000,
    );
    expect(await look({ kind: 'mysql', port, user: 'root', password: { env: 'WRONG' } })).toMatchObject({
      state: 'down',
      detail: { code: 'LOGIN_REFUSED' },
    });
  });
});

describe.skipIf(!hasProgram('nginx'))('nginx (needs nginx)', () => {
  it('is up, answers 404 as such, and is down once it is frozen', async () => {
    const port = await freePort();
    const conf = join(folder.path, 'nginx.conf');
    await writeFile(
      conf,
      `daemon off; master_process off; pid ${folder.path}/nginx.pid; error_log stderr; events {} http { access_log off; server { listen 127.0.0.1:${port}; location / { return 200 ok; } location /no { return 404; } } }`,
    );
    const server = await start({ program: 'nginx', args: ['-c', conf, '-p', folder.path], ready: { port } });

    expect(await look({ kind: 'http', url: `http://127.0.0.1:${port}/` })).toMatchObject({ state: 'up' });
    expect(await look({ kind: 'http', url: `http://127.0.0.1:${port}/no` })).toMatchObject({
      state: 'down',
      message: 'HTTP 404, expected 200',
    });
    expect(await frozen(server, () => look({ kind: 'http', url: `http://127.0.0.1:${port}/` }, 300))).toMatchObject({
      state: 'down',
    });
    await server.stop();
    expect(await look({ kind: 'http', url: `http://127.0.0.1:${port}/` })).toMatchObject({
      state: 'down',
      message: 'connection refused',
    });
  });
});

describe.skipIf(!hasProgram('openssl'))('TLS (needs openssl)', () => {
  it('does not trust a certificate that nobody vouches for, unless told to', async () => {
    const [key, cert] = [join(folder.path, 'key.pem'), join(folder.path, 'cert.pem')];
    await run('openssl', [
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:prime256v1',
      '-nodes',
      '-keyout',
      key,
      '-out',
      cert,
      '-subj',
      '/CN=localhost',
      '-days',
      '1',
    ]);
    const { readFile } = await import('node:fs/promises');
    const server = createServer({ key: await readFile(key), cert: await readFile(cert) }, (_request, response) =>
      response.end('ok'),
    );
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    try {
      const trusting = await look({ kind: 'http', url: `https://127.0.0.1:${port}/` });
      expect(trusting).toMatchObject({ state: 'down' });
      expect(trusting.message).toMatch(/^TLS: /);
      expect(await look({ kind: 'http', url: `https://127.0.0.1:${port}/`, insecure: true })).toMatchObject({
        state: 'up',
      });
      expect(await look({ kind: 'http', url: `http://127.0.0.1:${port}/` })).toMatchObject({ state: 'down' });
    } finally {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  });
});

const noDocker = dockerMissing();
describe.skipIf(noDocker !== undefined)(`containers${noDocker ? ` (${noDocker})` : ''}`, () => {
  let dockerd: Dockerd;
  let image: string;
  const asks = () => createProber({ secrets, processes, docker: createDocker({ host: dockerd.host }) });
  const state = async (container: string): Promise<ProbeResult> =>
    await look({ kind: 'container', container }, 10_000, asks());
  beforeAll(async () => {
    dockerd = await startDockerd();
    image = await busyboxImage(dockerd);
  }, 120_000);
  afterAll(async () => await dockerd?.stop());
  const start_ = (name: string, command: string, ...options: string[]) =>
    dockerd.docker('run', '-d', '--network=none', '--name', name, ...options, image, 'sh', '-c', command);

  it('tells docker stop from a crash', async () => {
    await start_('stopped', 'trap exit TERM; while true; do sleep 0.1; done');
    await start_('crashed', 'sleep 0.2; exit 3');
    expect(await state('stopped')).toMatchObject({ state: 'up', message: 'stopped runs' });

    await dockerd.docker('stop', 'stopped');

    expect(await state('stopped')).toMatchObject({ state: 'stopped' });
    await vi.waitFor(
      async () =>
        expect(await state('crashed')).toMatchObject({
          state: 'down',
          message: 'crashed ended with exit code 3',
          detail: { exitCode: 3 },
        }),
      10_000,
    );
    expect(await state('nobody')).toMatchObject({ state: 'down', detail: { missing: true } });
  });

  it('believes a HEALTHCHECK', async () => {
    const health = ['--health-interval=300ms', '--health-retries=1', '--health-start-period=0s'];
    await start_('well', 'while true; do sleep 1; done', '--health-cmd=true', ...health);
    await start_('ill', 'while true; do sleep 1; done', '--health-cmd=echo broken; false', ...health);

    await vi.waitFor(async () => expect(await state('well')).toMatchObject({ state: 'up', depth: 'query' }), 15_000);
    await vi.waitFor(
      async () =>
        expect(await state('ill')).toMatchObject({ state: 'down', message: 'ill runs, but its HEALTHCHECK fails' }),
      15_000,
    );
  }, 60_000);

  it('calls a paused container stopped', async () => {
    // Without a HEALTHCHECK: where one is under way while its container is paused, Docker answers nothing about it.
    await start_('held', 'while true; do sleep 1; done');
    await dockerd.docker('pause', 'held');

    expect(await state('held')).toMatchObject({ state: 'stopped', message: 'held is paused' });
    await dockerd.docker('unpause', 'held');
  }, 60_000);

  it('blames nobody while the engine is away', async () => {
    const nowhere = createProber({ secrets, docker: createDocker({ host: `unix://${folder.path}/nothing` }) });

    expect(await look({ kind: 'container', container: 'well' }, 3_000, nowhere)).toMatchObject({ state: 'unknown' });
  });
});
