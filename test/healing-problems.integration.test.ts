import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { chmod, chown, cp, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, describe, it } from 'vitest';
import { freePort, hasProgram, type RunningProgram, startProgram } from '../src/testing/world/start-program.ts';
import { tempFolder, type TempFolder } from '../src/testing/world/temp-folder.ts';
import { type Api, adminApi, type EventLog, followEvents, type SeenEvent, type SeenIncident } from './kit/api.ts';
import { told } from './kit/heals.ts';
import { eventually, makeHome, removeHome, type RunningSteward, startSteward } from './kit/steward.ts';

const BIN = '/usr/lib/postgresql/15/bin';
const missing =
  process.getuid?.() !== 0
    ? 'needs root'
    : !existsSync(join(BIN, 'postgres'))
      ? 'needs postgresql-15'
      : !hasProgram('npm')
        ? 'needs npm'
        : undefined;
const NOBODY = 65_534;
const PASSWORD = 's3cret';
const PATIENT_MS = 150_000;
/** The shipped one closes what has idled for five minutes; nobody waits so long for a test. */
const RECYCLE_SOON = readFileSync(
  join(import.meta.dirname, '../src/runbooks/recycle-idle-connections.md'),
  'utf8',
).replace('idleForSeconds: 300', 'idleForSeconds: 2');

describe.skipIf(missing)(`named troubles on a real machine${missing ? ` (${missing})` : ''}`, () => {
  let folder: TempFolder;
  let home: string;
  let cache: string;
  let steward: RunningSteward;
  let api: Api;
  let log: EventLog;
  const programs: RunningProgram[] = [];
  const clients: pg.Client[] = [];
  const ports = { locked: 0, crowded: 0, web: 0 };
  let web: RunningProgram;

  beforeAll(async () => {
    folder = await tempFolder('stw-troubles');
    await chmod(folder.path, 0o777);
    for (const name of ['locked', 'crowded', 'web'] as const) ports[name] = await freePort();
    await databases();
    web = await server(ports.web);

    const check = (port: number, more: string) =>
      `{ kind: postgres, port: ${port}, user: postgres, database: postgres, password: { env: STW_DB }, ${more} }`;
    home = makeHome();
    cache = join(home, '.npm');
    mkdirSync(cache);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=24m', 'tmpfs', cache]);
    writeFileSync(
      join(home, 'steward.yaml'),
      `monitoring: { every: 1s, timeout: 5s }
healing:
  loop: 1s
  soak: 3s
  backoff: 1s
  autonomy: { trusted: [end-blocking-session, recycle-idle-connections] }
policy:
  - { id: locks, automation: end-blocking-session, trigger: healing, decision: auto, why: nobody may hold the shop up }
machine: { heal: 1 }
services:
  - { name: locked, match: { port: ${ports.locked} }, checks: [${check(ports.locked, 'maxLockWait: 2s')}] }
  - { name: crowded, match: { port: ${ports.crowded} }, checks: [${check(ports.crowded, 'maxConnections: 80')}] }
  - name: web
    match: { port: ${ports.web} }
    checks:
      - { kind: http, url: 'http://127.0.0.1:${ports.web}/' }
      - { kind: disk, path: ${cache}, warn: 80, heal: 90 }
`,
    );
    mkdirSync(join(home, 'runbooks'));
    writeFileSync(join(home, 'runbooks/recycle-idle-connections.md'), RECYCLE_SOON);
    steward = await startSteward({
      home,
      // Whatever the machine has in use is more than this: its trouble is real, and nothing can end it.
      env: { STW_DB: PASSWORD, STEWARD_MAX_MEMORY_USAGE: '1', STEWARD_LOG_LEVEL: 'warn' },
    });
    const admin = await adminApi(steward);
    api = admin.api;
    log = await followEvents(steward.url, admin.token);
    await eventually(
      'all are up',
      async () => {
        const services = await Promise.all(Object.keys(ports).map((name) => api.service(name)));
        return services.every(({ state }) => state === 'up') ? true : undefined;
      },
      120_000,
    );
  }, 300_000);

  afterAll(async () => {
    log?.stop();
    for (const client of clients) await client.end().catch(() => undefined);
    await steward?.stop();
    for (const program of programs.toReversed()) await program.stop();
    if (cache) execFileSync('umount', ['--lazy', cache]);
    if (home) await removeHome(home);
    await folder?.remove();
  }, 90_000);

  async function server(port: number): Promise<RunningProgram> {
    const program = await startProgram({
      program: process.execPath,
      args: [join(import.meta.dirname, 'fixtures/machine/web.mjs'), String(port)],
      cwd: folder.path,
      ready: { port },
    });
    programs.push(program);
    return program;
  }

  async function databases(): Promise<void> {
    const password = join(folder.path, 'pw');
    await writeFile(password, `${PASSWORD}\n`);
    await chown(password, NOBODY, NOBODY);
    const data = (name: string): string => join(folder.path, name);
    const as = { uid: NOBODY, gid: NOBODY };
    execFileSync(
      join(BIN, 'initdb'),
      ['-D', data('locked'), '-U', 'postgres', '--auth=scram-sha-256', `--pwfile=${password}`, '--no-sync'],
      { ...as, stdio: 'ignore' },
    );
    await cp(data('locked'), data('crowded'), { recursive: true, preserveTimestamps: true });
    execFileSync('chown', ['-R', `${NOBODY}:${NOBODY}`, data('crowded')]);
    for (const name of ['locked', 'crowded'] as const) {
      const settings = ['max_connections=20', 'superuser_reserved_connections=4', 'max_wal_senders=0', 'fsync=off'];
      programs.push(
        await startProgram({
          program: join(BIN, 'postgres'),
          args: [
            '-D',
            data(name),
            '-p',
            String(ports[name]),
            '-k',
            data(name),
            ...settings.flatMap((each) => ['-c', each]),
          ],
          ...as,
          ready: { output: /ready to accept connections/ },
          timeoutMs: 60_000,
          stopMs: 10_000,
        }),
      );
      const admin = await client(name, 'postgres');
      await admin.query(
        `create role app login password '${PASSWORD}'; create table things (id int primary key, n int); insert into things values (1, 0); grant all on things to app`,
      );
    }
  }

  async function client(name: 'locked' | 'crowded', user = 'app'): Promise<pg.Client> {
    const one = new pg.Client({
      host: '127.0.0.1',
      port: ports[name],
      user,
      password: PASSWORD,
      database: 'postgres',
      application_name: 'shop',
    });
    one.on('error', () => undefined);
    await one.connect();
    clients.push(one);
    return one;
  }

  /** The incident of one trouble of a service, from its opening to its end. */
  async function ends(name: string, problem: string, from: number): Promise<SeenIncident> {
    const { id } = await api.service(name);
    const opened = await log.until(
      `an incident of ${problem} at ${name}`,
      (event: SeenEvent) => told('incident.opened', id)(event) && event.data['symptom'] === problem,
      PATIENT_MS,
      from,
    );
    const incidentId = String(opened.data['incidentId']);
    const isEnd = ({ type, data }: SeenEvent): boolean =>
      type === 'incident.resolved' && data['incidentId'] === incidentId;
    try {
      await log.until(`${problem} at ${name} is resolved`, isEnd, PATIENT_MS, from);
    } catch (thrown) {
      const { status, timeline } = await api.incident(incidentId);
      const said = timeline.map(({ kind, message }) => `${kind}: ${message}`).join('\n');
      throw new Error(`${(thrown as Error).message}; it is ${status}:\n${said}`, { cause: thrown });
    }
    return await api.incident(incidentId);
  }

  async function runsOf(incident: SeenIncident): Promise<string[]> {
    const attempts = (await api.attempts()).filter(({ incidentId }) => incidentId === incident.id);
    const runs = await Promise.all(attempts.map(({ runId }) => api.run(runId ?? '')));
    return runs.map(({ automation, status }) => `${automation} ${status}`);
  }

  it.concurrent(
    'a session that idles in its transaction is ended, and whoever waited for it goes on',
    { timeout: 400_000 },
    async ({ expect }) => {
      const from = log.events.length;
      const [holder, waiter] = [await client('locked'), await client('locked')];
      await holder.query('begin; update things set n = n + 1 where id = 1');
      const waiting = waiter.query('update things set n = n + 10 where id = 1 returning n');
      const incident = await ends('locked', 'database.locked', from);
      expect((await waiting).rows).toEqual([{ n: 10 }]);
      expect(await runsOf(incident)).toContain('end-blocking-session succeeded');
      await expect(holder.query('commit')).rejects.toThrow();
    },
  );

  it.concurrent(
    'connections that a pool leaked are closed, and there is room for others',
    { timeout: 400_000 },
    async ({ expect }) => {
      const from = log.events.length;
      const full = async (): Promise<void> => {
        for (;;) await client('crowded');
      };
      await expect(full()).rejects.toThrow(/reserved/);
      const incident = await ends('crowded', 'pool.exhausted', from);
      expect(await runsOf(incident)).toContain('recycle-connections succeeded');
      await expect(client('crowded')).resolves.toBeDefined();
    },
  );

  it.concurrent(
    'a process that a signal stopped goes on where it was, with the same process id',
    { timeout: 400_000 },
    async ({ expect }) => {
      const from = log.events.length;
      process.kill(web.pid, 'SIGSTOP');
      const incident = await ends('web', 'process.frozen', from);
      expect(await runsOf(incident)).toEqual(['resume-process succeeded']);
      expect(await (await fetch(`http://127.0.0.1:${ports.web}/`)).text()).toBe(`${web.pid}\n`);
    },
  );

  it.concurrent(
    'a full disk is freed by emptying the cache on it, though its service stands still of something else',
    { timeout: 400_000 },
    async ({ expect }) => {
      const from = log.events.length;
      mkdirSync(join(cache, '_cacache'), { recursive: true });
      writeFileSync(join(cache, '_cacache/packages'), Buffer.alloc(23 * 1024 ** 2, 'x'));
      const incident = await ends('web', 'disk.full', from);
      expect(await runsOf(incident)).toContain('clear-caches succeeded');
      expect(existsSync(join(cache, '_cacache/packages'))).toBe(false);
    },
  );

  it.concurrent(
    'memory that nothing can give back is asked for first, and then a person is called (a limit of 1 % stands in for a full memory)',
    { timeout: 400_000 },
    async ({ expect }) => {
      const { id } = await eventually(
        'a person is called',
        async () =>
          (
            await api.get<{ items: { id: string; title: string; status: string }[] }>('incidents?status=escalated')
          ).items.find(({ title }) => title.startsWith('The memory of')),
        PATIENT_MS,
      );
      const incident = await api.incident(id);
      expect((await runsOf(incident))[0]).toMatch(/^relieve-memory /);
      expect(JSON.stringify(incident.timeline)).toContain('relieve-memory');
    },
  );
});
