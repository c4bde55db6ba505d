import { execFile } from 'node:child_process';
import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createDeclarations } from '../src/adapters/declarations/index.ts';
import { createDocker } from '../src/adapters/docker/index.ts';
import { ownAddresses } from '../src/adapters/host/addresses.ts';
import { createProcesses } from '../src/adapters/processes/index.ts';
import { createPrograms } from '../src/adapters/programs/index.ts';
import { createRecognizer } from '../src/adapters/recognize/index.ts';
import { createSockets } from '../src/adapters/sockets/index.ts';
import { createSystemd } from '../src/adapters/systemd/index.ts';
import { systemActor } from '../src/core/actor.ts';
import type { Resource } from '../src/core/resource.ts';
import { createDiscovery, type Discovery } from '../src/systems/discovery/index.ts';
import { createInventory } from '../src/systems/inventory/index.ts';
import { inventoryMigrations } from '../src/systems/inventory/tables.ts';
import { testDatabase, type TestDatabase } from '../src/testing/database.ts';
import { defined } from '../src/testing/defined.ts';
import { memoryLog } from '../src/testing/log.ts';
import { busyboxImage } from '../src/testing/world/busybox-image.ts';
import { type Dockerd, dockerMissing, startDockerd } from '../src/testing/world/dockerd.ts';
import { freePort, hasProgram, type RunningProgram, startProgram } from '../src/testing/world/start-program.ts';
import { tempFolder } from '../src/testing/world/temp-folder.ts';

const run = promisify(execFile);
const missing =
  dockerMissing() ??
  (['docker-compose', 'nginx', 'openssl'].find((program) => !hasProgram(program))
    ? 'needs docker-compose, nginx, openssl'
    : undefined);

describe.skipIf(missing)(`services that files declare${missing ? ` (${missing})` : ''}`, () => {
  let folder: Awaited<ReturnType<typeof tempFolder>>;
  let dockerd: Dockerd;
  let database: TestDatabase;
  let discovery: Discovery;
  let nginx: RunningProgram;
  let inventory: ReturnType<typeof createInventory>['inventory'];
  let published = 0;
  let listening = 0;
  const write = async (name: string, text: string): Promise<string> => {
    const file = join(folder.path, name);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, text);
    return file;
  };
  const compose = async (...args: readonly string[]) =>
    await run('docker-compose', ['-p', 'shop', ...args], {
      cwd: join(folder.path, 'shop'),
      env: { ...process.env, DOCKER_HOST: dockerd.host },
    });
  const ask = async (name: string, input: object) => {
    const operation = defined(discovery.operations.find((each) => each.name === name));
    return (await operation.handle(operation.input.parse(input), {
      actor: systemActor('test'),
      now: new Date(),
      from: 'local',
      requestId: 'r',
    })) as never;
  };
  const services = async (): Promise<Map<string, Resource>> =>
    new Map((await inventory.find({ kind: 'service' })).map((resource) => [resource.name, resource]));

  beforeAll(async () => {
    [folder, dockerd, database, published, listening] = await Promise.all([
      tempFolder(),
      startDockerd({ network: true }),
      testDatabase({ migrations: inventoryMigrations }),
      freePort(),
      freePort(),
    ]);
    await busyboxImage(dockerd);
    await nginxImage(dockerd, folder.path);
    await write(
      'shop/docker-compose.yml',
      `version: '2.4'
services:
  front:
    image: fronting
    command: [/usr/sbin/nginx, -g, 'daemon off;']
    depends_on: [web]
    networks: [inner]
    ports: ['${published}:80']
  web:
    image: busybox
    command: [busybox, httpd, -f, -p, '8000']
    depends_on:
      db: { condition: service_started }
    networks: [inner]
  db:
    image: busybox
    command: [busybox, httpd, -f, -p, '5432']
    networks: [inner]
  worker:
    image: registry.example/redis:7.2
    restart: always
    networks: [inner]
    links: [db]
networks:
  inner: {}
`,
    );
    await compose('up', '-d', 'front');
    const pem = join(folder.path, 'cert.pem');
    await run('openssl', [
      'req',
      '-x509',
      '-newkey',
      'rsa:2048',
      '-nodes',
      '-days',
      '20',
      '-subj',
      '/CN=shop.example.org',
      '-addext',
      'subjectAltName=DNS:shop.example.org',
      '-keyout',
      `${pem}.key`,
      '-out',
      pem,
    ]);
    const main = await write(
      'host/nginx.conf',
      `daemon off; pid ${folder.path}/nginx.pid; error_log stderr;
events {}
http {
  access_log off;
  include conf.d/*.conf;
}
`,
    );
    await write(
      'host/conf.d/shop.conf',
      `server {
  listen 127.0.0.1:${listening} ssl;
  server_name shop.example.org;
  ssl_certificate ${pem};
  ssl_certificate_key ${pem}.key;
  location / { proxy_pass http://127.0.0.1:${published}; }
  location /pay { proxy_pass http://203.0.113.9:8443; }
  location /who { set $there 127.0.0.1; proxy_pass http://$there:1; }
}
`,
    );
    nginx = await startProgram({ program: 'nginx', args: ['-c', main], ready: { port: listening } });
    const log = memoryLog();
    const programs = createPrograms({ environment: process.env });
    const created = createInventory({ store: database.store });
    inventory = created.inventory;
    const processes = createProcesses({ programs });
    discovery = createDiscovery({
      inventory,
      writer: created.writer,
      ports: {
        sockets: createSockets(),
        // Proxies of other tests, which run on this machine at the same time, are none of this one's.
        processes: {
          ...processes,
          list: async () =>
            (await processes.list()).filter(
              ({ executable, container, pid, parent }) =>
                !executable.endsWith('/nginx') || container || pid === nginx.pid || parent === nginx.pid,
            ),
        },
        docker: createDocker({ host: dockerd.host }),
        systemd: createSystemd({ programs }),
      },
      recognizer: createRecognizer({ programs }),
      recipes: { sight: async () => undefined, settle: async () => undefined },
      kept: async () => undefined,
      declarations: createDeclarations({ composeFolders: () => [] }),
      machine: ownAddresses,
      node: { id: 'node_here' },
      now: () => new Date(),
      log,
      self: { pids: () => [process.pid] },
      configured: () => [],
      monitor: () => undefined,
      sampleEveryMs: 0,
    });
  }, 180_000);

  afterAll(async () => {
    await discovery?.stop();
    await nginx?.stop();
    await dockerd?.stop();
    await database?.drop();
    await folder?.remove();
  }, 60_000);

  it(
    'have edges with the line that says so, through a proxy of the machine and one in a container',
    { timeout: 120_000 },
    async () => {
      await discovery.scan('request');
      const found = await services();
      const names = new Map([...found.values()].map(({ id, name }) => [id, name]));
      const edges = (await inventory.edges())
        .filter(({ kind }) => kind === 'configured')
        .flatMap(({ from, to, evidence }) =>
          evidence.map(({ detail }) => `${names.get(from)} -> ${names.get(to)}: ${detail.replaceAll(folder.path, '')}`),
        );
      console.log(edges.join('\n'));
      expect(edges).toEqual(
        expect.arrayContaining([
          `nginx -> shop/front: /host/conf.d/shop.conf:6: https://shop.example.org:${listening}/ is passed to 127.0.0.1:${published}`,
          'shop/front -> shop/web: /etc/nginx/nginx.conf:4: http://*/ is passed to web:8000',
          'shop/front -> shop/web: /shop/docker-compose.yml:6: front depends_on web',
          'shop/web -> shop/db: /shop/docker-compose.yml:13: web depends_on db',
          'shop/worker -> shop/db: /shop/docker-compose.yml:23: worker links to db',
        ]),
      );
      expect(found.get('shop/front')?.published).toEqual([
        {
          url: `https://shop.example.org:${listening}/`,
          via: 'nginx',
          file: join(folder.path, 'host/conf.d/shop.conf'),
          line: 6,
        },
      ]);
    },
  );

  it('are known while nothing of them runs, without being down', async () => {
    expect((await services()).get('shop/worker')).toMatchObject({
      product: 'redis',
      supervisor: { kind: 'none' },
      endpoints: [],
      declared: { file: join(folder.path, 'shop/docker-compose.yml'), line: 19, running: false },
    });
    expect((await services()).get('shop/db')?.declared).toMatchObject({ line: 15, running: true });
    const rows: { name: string; state: string }[] = await ask('services', {});
    expect(rows.find(({ name }) => name === 'shop/worker')?.state).toBe('declared');
  });

  it('tell of their certificates and of what cannot be said', async () => {
    const [certificate] = await inventory.find({ kind: 'certificate' });
    expect(certificate?.labels).toMatchObject({
      'certificate.names': 'shop.example.org',
      'certificate.hosts': 'shop.example.org',
    });
    const days = (Date.parse(certificate?.labels['certificate.expires'] ?? '') - Date.now()) / 86_400_000;
    expect(Math.round(days)).toBe(20);
    const sources: {
      kind: string;
      name: string;
      owner?: string;
      elsewhere: string[];
      problems: { line: number; message: string }[];
    }[] = await ask('discovery-sources', {});
    expect(sources.find(({ name }) => name.startsWith(folder.path))).toMatchObject({
      kind: 'nginx',
      owner: 'nginx',
      elsewhere: ['203.0.113.9:8443'],
      problems: [{ line: 8, message: expect.stringContaining('$there') }],
    });
  });

  it(
    'stay the same thing when their containers go and come, which the history shows item by item',
    { timeout: 120_000 },
    async () => {
      const before = defined((await services()).get('shop/web'));
      const first = await discovery.scan('request');
      await compose('rm', '-s', '-f', 'web');
      const second = await discovery.scan('request');
      const between = (await services()).get('shop/web');
      expect(between).toMatchObject({ id: before.id, declared: { running: false }, supervisor: { kind: 'none' } });
      const scan: { items: { name: string; kind: string; changes: { member: string }[] }[] } = await ask(
        'discovery-scan-get',
        { id: second.id },
      );
      expect(scan.items.find(({ name }) => name === 'shop/web')).toMatchObject({
        kind: 'changed',
        changes: expect.arrayContaining([
          {
            member: 'declared',
            before: expect.stringContaining('"running":true'),
            after: expect.stringContaining('"running":false'),
          },
        ]),
      });
      await compose('up', '-d', 'web');
      const third = await discovery.scan('request');
      expect((await services()).get('shop/web')).toMatchObject({ id: before.id, declared: { running: true } });
      const diff = async (from: string, to: string): Promise<string[]> => {
        const { items }: { items: { name: string; changes: { member: string }[] }[] } = await ask('discovery-diff', {
          from,
          to,
        });
        return items.flatMap(({ name, changes }) => (name === 'shop/web' ? changes.map(({ member }) => member) : []));
      };
      expect(await diff(first.id, second.id)).toEqual(expect.arrayContaining(['declared', 'supervisor']));
      const whole = await diff(first.id, third.id);
      for (const member of ['declared', 'supervisor', 'name', 'labels']) expect(whole).not.toContain(member);
    },
  );
});

/** The machine's own nginx with its libraries, and a configuration that passes everything on to `web`. */
async function nginxImage(dockerd: Dockerd, folder: string): Promise<void> {
  const root = join(folder, 'image');
  const { stdout: where } = await run('sh', ['-c', 'command -v nginx || echo /usr/sbin/nginx']);
  const program = where.trim();
  const { stdout } = await run('ldd', [program]);
  const files = [program, ...stdout.split('\n').flatMap((line) => /(\/[^ ]+) \(0x/.exec(line)?.[1] ?? [])];
  for (const file of files) {
    const to = join(root, file === program ? '/usr/sbin/nginx' : file);
    await mkdir(dirname(to), { recursive: true });
    await copyFile(file, to);
  }
  for (const each of ['etc/nginx', 'var/log/nginx', 'var/lib/nginx', 'run', 'tmp', 'dev'])
    await mkdir(join(root, each), { recursive: true });
  await writeFile(join(root, 'etc/passwd'), 'root:x:0:0::/:\nwww-data:x:33:33::/:\nnobody:x:65534:65534::/:\n');
  await writeFile(join(root, 'etc/group'), 'root:x:0:\nwww-data:x:33:\nnogroup:x:65534:\n');
  await writeFile(
    join(root, 'etc/nginx/nginx.conf'),
    `user root root;
error_log stderr;
events {}
http { access_log off; server { location / { proxy_pass http://web:8000; } } }
`,
  );
  const tar = join(folder, `${basename(root)}.tar`);
  await run('tar', ['--create', '--file', tar, '--directory', root, '.']);
  await dockerd.docker('import', tar, 'fronting');
}
