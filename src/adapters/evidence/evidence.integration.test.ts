import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { StewardError } from '../../core/errors.ts';
import type { JsonObject } from '../../core/json.ts';
import type { DockerPort } from '../../core/ports/docker.ts';
import type { SystemdPort } from '../../core/ports/systemd.ts';
import type { Resource } from '../../core/resource.ts';
import { createHost } from '../host/index.ts';
import { createProcesses } from '../processes/index.ts';
import { createPrograms } from '../programs/index.ts';
import { createSockets } from '../sockets/index.ts';
import { type EvidenceParts, createEvidence } from './index.ts';

const away = (): Promise<never> => Promise.reject(new StewardError('UNAVAILABLE', 'no engine answers'));
const docker: DockerPort = {
  containers: away,
  inspect: away,
  restart: away,
  logs: away,
  stats: away,
  images: away,
  buildCache: away,
  dataFolder: away,
  removeImage: away,
  pruneBuildCache: away,
};
const systemd: SystemdPort = { services: away, unit: away, restart: away, logs: away };
const parts: EvidenceParts = {
  processes: createProcesses({ programs: createPrograms({ environment: { PATH: '/usr/bin:/bin' } }) }),
  host: createHost(),
  sockets: createSockets(),
  docker,
  systemd,
  monitor: { status: async () => undefined },
};

let folder: string;
let child: ChildProcess | undefined;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'steward-evidence-'));
});
afterEach(async () => {
  child?.kill('SIGKILL');
  child = undefined;
  await rm(folder, { recursive: true, force: true });
});

const PROGRAM = `
  const fs = require('node:fs');
  const log = fs.openSync('app.log', 'a');
  for (let i = 0; i < 80; i += 1) fs.writeSync(log, 'line ' + i + '\\n');
  fs.writeSync(log, 'connecting with password=hunter2\\n');
  const server = require('node:net').createServer().listen(0, '127.0.0.1', () => console.log(server.address().port));`;

async function start(): Promise<{ resource: Resource; pid: number }> {
  child = spawn(process.execPath, ['-e', PROGRAM], { cwd: folder, stdio: ['ignore', 'pipe', 'ignore'] });
  const port = Number(await new Promise((resolve) => child?.stdout?.once('data', resolve)));
  const pid = child.pid ?? 0;
  return { pid, resource: resourceOf({ endpoints: [{ protocol: 'tcp', address: '127.0.0.1', port }], pids: [pid] }) };
}

function resourceOf(more: Partial<Resource>): Resource {
  const at = new Date();
  const recipe = {
    argv: ['app'],
    executable: process.execPath,
    cwd: folder,
    uid: process.getuid?.() ?? 0,
    gid: process.getgid?.() ?? 0,
  };
  return {
    id: 'svc_1',
    kind: 'service',
    identity: 'x',
    node: 'n',
    name: 'app',
    product: 'node',
    confidence: 1,
    evidence: [],
    endpoints: [],
    pids: [],
    labels: {},
    critical: false,
    adoption: 'adopted',
    origin: 'discovered',
    state: 'present',
    firstSeen: at,
    lastSeen: at,
    supervisor: { kind: 'process', recipe },
    ...more,
  };
}

const collect = async (resource: Resource, signal = new AbortController().signal, from = parts) =>
  (await createEvidence(from).collect(resource, signal)) as JsonObject;

describe('evidence', () => {
  it('shows a living process, its port, the host, and the end of the log it writes', async () => {
    const { resource, pid } = await start();

    const seen = await collect(resource);

    expect(seen).toMatchObject({
      processes: [{ pid, running: true, residentBytes: expect.any(Number) }],
      listening: [{ listening: true, pids: [pid] }],
      host: { memoryTotalBytes: expect.any(Number), disks: expect.anything() },
      logs: { source: join(folder, 'app.log') },
    });
    const { lines } = seen['logs'] as unknown as { lines: string[] };
    expect(lines).toHaveLength(50);
    expect(lines.at(-2)).toBe('line 79');
    expect(lines.at(-1)).toBe('connecting with password=[redacted]');
    expect(seen['missing']).toBeUndefined();
  });

  it('finds what a process left behind that is gone', async () => {
    const { resource } = await start();
    const exit = new Promise((resolve) => child?.once('exit', resolve));
    child?.kill('SIGKILL');
    await exit;

    await vi.waitFor(
      async () =>
        expect(await collect(resource)).toMatchObject({
          processes: [{ running: false }],
          listening: [{ listening: false }],
          logs: { source: join(folder, 'app.log') },
        }),
      { timeout: 5_000 },
    );
  });

  it('does not read what a link in the working folder leads to', async () => {
    await writeFile(join(folder, 'private'), 'root only\n');
    await symlink(join(folder, 'private'), join(folder, 'app.log'));

    expect(JSON.stringify(await collect(resourceOf({})))).not.toContain('root only');
  });

  it('names what it could not get, and keeps the rest', async () => {
    const seen = await collect(resourceOf({ supervisor: { kind: 'docker', container: 'c', name: 'web' } }));

    expect(seen).toMatchObject({
      host: expect.anything(),
      missing: { supervisor: 'no engine answers', logs: 'no engine answers', container: 'no engine answers' },
    });
  });

  it('does not wait for an engine that hangs', async () => {
    const never = (): Promise<never> => new Promise(() => undefined);
    const stop = new AbortController();
    const collecting = collect(
      resourceOf({ supervisor: { kind: 'docker', container: 'c', name: 'web' } }),
      stop.signal,
      { ...parts, docker: { ...docker, inspect: never, logs: never } },
    );
    setTimeout(() => stop.abort(), 400);

    expect(await collecting).toMatchObject({
      host: expect.anything(),
      missing: { supervisor: 'no answer in time', logs: 'no answer in time' },
    });
  });

  it('stays within 64 KB however long the lines are', async () => {
    const flood = {
      ...docker,
      logs: async () => Array.from({ length: 50 }, (_, line) => `${line} ${'ä'.repeat(5_000)}`),
      inspect: async () => undefined,
      stats: async () => undefined,
    };

    const seen = await collect(resourceOf({ supervisor: { kind: 'docker', container: 'c', name: 'web' } }), undefined, {
      ...parts,
      docker: flood,
    });

    expect(Buffer.byteLength(JSON.stringify(seen))).toBeLessThanOrEqual(64 * 1024);
    const { lines } = seen['logs'] as unknown as { lines: string[] };
    expect(lines.at(-1)).toMatch(/^49 /);
  });
});
