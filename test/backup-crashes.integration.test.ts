import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hasProgram } from '../src/testing/world/start-program.ts';
import { startPostgres, type TestPostgres } from '../src/testing/world/postgres.ts';
import { adminApi, type Api, apiOf, type SeenRun } from './kit/api.ts';
import { type Gate, programGates, storeGates } from './kit/gates.ts';
import { processesWith } from './kit/processes.ts';
import { eventually, freePort, makeHome, removeHome, type RunningSteward, startSteward } from './kit/steward.ts';

interface Copy {
  readonly id: string;
  readonly source: string;
  readonly repository: string;
  readonly status: string;
  readonly location?: string;
  readonly provenAt?: string;
}
interface Run extends SeenRun {
  readonly error?: { readonly message: string };
  readonly changes: readonly { readonly id: string; readonly status: string; readonly attempts: number }[];
}

const missing = ['restic', 'tar'].filter((name) => !hasProgram(name));
const LAUNCHER = join(import.meta.dirname, '../bin/steward.js');
const ENDED = new Set(['succeeded', 'failed', 'rolled-back', 'canceled', 'stale']);
/** Many, so that putting them back has a middle. */
const FILES = 1_500;

describe.skipIf(missing.length > 0)('Steward is killed in the middle of', () => {
  let home: string;
  let port: number;
  let steward: RunningSteward;
  let api: Api;
  let token: string;
  let store: pg.Client;
  let crm: TestPostgres;
  let programs: ReturnType<typeof programGates>;
  let stops: Awaited<ReturnType<typeof storeGates>>;
  const figures: object[] = [];
  const at = (...path: readonly string[]): string => join(home, ...path);

  beforeAll(async () => {
    home = makeHome();
    [port, crm] = await Promise.all([freePort(), startPostgres()]);
    programs = programGates(
      at('gates'),
      Object.fromEntries(['restic', 'zstd', 'tar'].map((name) => [name, `/usr/bin/${name}`])),
    );
    mkdirSync(at('data/site'), { recursive: true });
    writeShop('old');
    writeSite('old');
    await writeCrm('old');
    const repositories = ['here', 'there'];
    const config = {
      discovery: { enabled: false },
      machine: { watch: false },
      policy: [
        {
          id: 'unattended',
          automation: ['restore-backup', 'prune-backups', 'extract-backup'],
          decision: 'auto',
          why: 'Nobody is there to approve.',
        },
      ],
      backups: {
        self: false,
        repositories: [
          { name: 'here', kind: 'directory', path: at('here') },
          { name: 'there', kind: 'restic', url: at('there') },
        ],
        sources: [
          { name: 'shop', kind: 'sqlite', path: at('data/shop.db'), repositories },
          { name: 'site', kind: 'files', paths: [at('data/site')], repositories: ['here'] },
          {
            name: 'crm',
            kind: 'postgres',
            port: crm.port,
            user: crm.user,
            password: { env: 'CRM_PASSWORD' },
            databases: ['crm'],
            repositories: ['there'],
          },
        ],
      },
    };
    writeFileSync(at('steward.yaml'), JSON.stringify(config));
    await live();
    ({ api, token } = await adminApi(steward));
    store = new pg.Client({
      host: at('pg/run'),
      user: 'steward',
      password: readFileSync(at('pg/password'), 'utf8').trim(),
      database: 'postgres',
    });
    await store.connect();
    stops = await storeGates(store);
    for (const [automation, input] of [
      ['backup', {}],
      ['verify-backups', { restore: 'all' }],
    ] as const) {
      const { id } = await api.post<{ id: string }>(`automations/${automation}/runs`, { input });
      const { status } = await ended(id);
      if (status !== 'succeeded') throw new Error(`${automation} ${status}`);
    }
  }, 600_000);

  afterAll(async () => {
    console.table(figures);
    await store?.end();
    await steward?.stop();
    await crm?.[Symbol.asyncDispose]();
    if (home) await removeHome(home);
  }, 60_000);

  async function live(): Promise<void> {
    const env = { PATH: programs.PATH, CRM_PASSWORD: crm.password };
    steward = await startSteward({ home, port, env, withinMs: 120_000 });
    if (token) api = apiOf(steward.url, token);
  }

  function writeShop(word: string): void {
    const shop = new DatabaseSync(at('data/shop.db'));
    shop.exec('create table if not exists orders (what text); delete from orders');
    shop.prepare('insert into orders values (?)').run(word);
    shop.close();
  }
  const shop = (): unknown => {
    const database = new DatabaseSync(at('data/shop.db'), { readOnly: true });
    const rows = database.prepare('select what from orders').all();
    database.close();
    return rows.map(({ what }) => what).join();
  };
  function writeSite(word: string): void {
    for (let file = 0; file < FILES; file += 1) writeFileSync(at('data/site', `page ${file}`), `${word} ${file}`);
  }
  const site = (): ReadonlySet<string> =>
    new Set(
      Array.from({ length: FILES }, (_, file) => {
        const text = readFileSync(at('data/site', `page ${file}`), 'utf8');
        return text.endsWith(` ${file}`) ? text.slice(0, text.indexOf(' ')) : `torn: ${text}`;
      }),
    );
  async function writeCrm(word: string): Promise<void> {
    if ((await crm.say('postgres', "select from pg_database where datname = 'crm'")).length === 0)
      await crm.say('postgres', 'create database crm');
    await crm.say('crm', 'create table if not exists people (name text)', 'delete from people');
    await crm.say('crm', `insert into people values ('${word}')`);
  }
  const people = async (): Promise<unknown> =>
    (await crm.say('crm', 'select name from people')).map(({ name }) => name).join();

  const sandboxes = async (): Promise<{ readonly id: string; readonly connect: string }[]> =>
    (await api.get<{ items: { id: string; connect: string }[] }>('backup-sandboxes')).items;
  const copies = async (): Promise<Copy[]> => (await api.get<{ items: Copy[] }>('backup-history?limit=200')).items;
  const restic = (...args: readonly string[]): string =>
    execFileSync('/usr/bin/restic', args, {
      env: { RESTIC_REPOSITORY: at('there'), RESTIC_PASSWORD_FILE: at('backup-keys/there'), HOME: home },
    }).toString();
  /** What the repositories themselves list, by standard tools; each must be whole. */
  function listed(): string[] {
    const folders = ['shop', 'site'].flatMap((source) =>
      existsSync(at('here', source)) ? readdirSync(at('here', source)).map((stamp) => `${source}/${stamp}`) : [],
    );
    for (const folder of folders)
      expect(
        spawnSync('sha256sum', ['--check', '--strict', '--quiet', 'SHA256SUMS'], { cwd: at('here', folder) }).status,
        folder,
      ).toBe(0);
    const sealed = existsSync(at('there/config'))
      ? (JSON.parse(restic('snapshots', '--json', '--no-lock')) as { tags: string[] }[])
          .filter(({ tags }) => tags.includes('part=manifest.json'))
          .map(({ tags }) => tags.find((tag) => tag.startsWith('copy='))?.slice('copy='.length) ?? '')
      : [];
    return [...folders.map((folder) => `here ${folder}`), ...sealed.map((copy) => `there ${copy}`)].toSorted();
  }

  /** Starts the run, kills Steward at each gate in turn and starts it again; gives the run when it is over. */
  async function survive(
    automation: string,
    input: object,
    gates: readonly Gate[],
    whileDead: (gate: Gate) => Promise<void> | void = () => undefined,
  ): Promise<Run> {
    await gates[0]?.close();
    const { id } = await api.post<{ id: string }>(`automations/${automation}/runs`, { input });
    for (const [index, gate] of gates.entries()) {
      await gate.reached();
      await steward.kill();
      await gate.open();
      listed();
      await whileDead(gate);
      await gates[index + 1]?.close();
      const started = Date.now();
      await live();
      figures.push({ automation, 'killed at': gate.what, 'back after ms': Date.now() - started });
    }
    return await ended(id);
  }
  const ended = (id: string): Promise<Run> =>
    eventually(
      `the end of ${id}`,
      async () => {
        const run = await api.get<Run>(`runs/${id}`);
        return ENDED.has(run.status) ? run : undefined;
      },
      240_000,
    );
  const changeEnds = (change: string): Gate =>
    stops(
      `${change} is done, and not written down`,
      `before update on run_changes for each row when (new.change_id like '${change}' and new.status = 'done')`,
    );

  /** What has to hold whenever nothing is under way. */
  async function expectCalm(): Promise<void> {
    const whole = (await copies()).filter(({ status }) => status === 'complete');
    expect(listed()).toEqual(whole.map(({ repository, location = '' }) => `${repository} ${location}`).toSorted());
    expect(existsSync(at('here/.unfinished')) ? readdirSync(at('here/.unfinished')) : []).toEqual([]);
    if (existsSync(at('there/config'))) expect(restic('list', 'locks', '--no-lock').trim()).toBe('');
    expect(existsSync(at('scratch')) ? readdirSync(at('scratch')) : []).toEqual([]);
    expect(readdirSync(at('data')).filter((name) => name.includes('restoring'))).toEqual([]);
    const databases = await crm.say('postgres', 'select datname from pg_database where not datistemplate order by 1');
    expect(databases.map(({ datname }) => datname)).toEqual(['crm', 'postgres']);
    const { rows } = await store.query(`select
      (select count(*)::int from engine_locks where holder like 'run%' and expires_at > now()) as locks,
      (select count(*)::int from engine_lock_waiters) as waiters, (select count(*)::int from run_children) as children`);
    expect(rows).toEqual([{ locks: 0, waiters: 0, children: 0 }]);
    const left = (): string[] =>
      processesWith(`HOME=${home}`)
        .filter((pid) => pid !== steward.pid && existsSync(`/proc/${pid}/cmdline`))
        .map((pid) => readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' '))
        .filter((line) => !line.startsWith('postgres: ') && !line.includes(at('pg/data')));
    // The one that lives looks at its repositories now and then.
    await expect.poll(left, { timeout: 20_000, interval: 200 }).toEqual([]);
  }

  it('backup: every copy is whole or is none', async () => {
    const before = await copies();
    const { status, changes, error } = await survive('backup', {}, [
      stops(
        'a copy is sealed, and not written down',
        `before update on backup_history for each row when (new.status = 'complete')`,
      ),
      programs.gate('restic', 'part=manifest.json'),
      programs.gate('tar', '--create'),
      changeEnds('site@here'),
      programs.gate('restic', 'part=crm.dump'),
      stops('the run is over', `before update on runs for each row when (new.status = 'succeeded')`),
    ]);
    expect([status, error]).toEqual(['succeeded', undefined]);
    expect(changes.map(({ status: each }) => each)).toEqual(['done', 'done', 'done', 'done']);
    expect(await copies()).toHaveLength(before.length + 4);
    await expectCalm();
  }, 600_000);

  it('verify-backups: what was half looked at is looked at again, and its servers are gone', async () => {
    const drills = [
      stops('what was seen is not written down', 'before insert on backup_looks for each row'),
      programs.gate('tar', '--extract'),
      programs.gate('restic', 'dump'),
    ];
    const { status, error } = await survive('verify-backups', { read: 'all', restore: 'all' }, drills);
    expect([status, error]).toEqual(['succeeded', undefined]);
    expect((await copies()).slice(0, 4).map(({ provenAt }) => typeof provenAt)).toEqual(Array(4).fill('string'));
    await expectCalm();
  }, 600_000);

  it('restore-backup of a file: the original is the old one or the new one, and the run says which', async () => {
    writeShop('new');
    const run = await survive(
      'restore-backup',
      { source: 'shop', repository: 'there' },
      [programs.gate('restic', 'dump'), changeEnds('restore')],
      ({ what }) => expect(shop()).toBe(what.startsWith('restic') ? 'new' : 'old'),
    );
    expect([run.status, run.error, shop()]).toEqual(['succeeded', undefined, 'old']);
    await expectCalm();
  }, 600_000);

  it('restore-backup of a tree: no file of it is torn, and all of it is restored', async () => {
    writeSite('new');
    const amidst: Gate = {
      what: 'files take their places',
      close: async () => undefined,
      async reached() {
        const deadline = Date.now() + 60_000;
        // Some are in their place, and most are not.
        const kept = (): number =>
          readdirSync(at('data'))
            .filter((name) => name.startsWith('.steward-before'))
            .reduce((sum, name) => sum + readdirSync(at('data', name), { recursive: true }).length, 0);
        while (kept() < 50 && Date.now() < deadline) await new Promise(setImmediate);
      },
      open: async () => undefined,
    };
    const mixed: string[] = [];
    const run = await survive('restore-backup', { source: 'site' }, [changeEnds('safety-copy'), amidst], () => {
      const words = [...site()].toSorted();
      mixed.push(words.join());
      expect(words.filter((word) => word !== 'old' && word !== 'new')).toEqual([]);
    });
    figures.push({ automation: 'restore-backup', 'killed at': `found ${mixed.join(' and ')}` });
    expect([run.status, run.error, [...site()]]).toEqual(['succeeded', undefined, ['old']]);
    await expectCalm();
  }, 600_000);

  it('restore-backup of a server: what each attempt kept goes with the last one', async () => {
    await writeCrm('new');
    const run = await survive('restore-backup', { source: 'crm' }, [changeEnds('restore'), changeEnds('tidy')]);
    expect([run.status, run.error, await people()]).toEqual(['succeeded', undefined, 'old']);
    await expectCalm();
  }, 600_000);

  it('extract-backup: the folder is whole, and until then says that it is not', async () => {
    const folder = at('restored');
    const run = await survive(
      'extract-backup',
      { source: 'site', folder },
      [programs.gate('tar', '--extract'), changeEnds('restore')],
      () => expect(existsSync(`${folder}.steward-restoring`)).toBe(true),
    );
    expect([run.status, run.error]).toEqual(['succeeded', undefined]);
    expect(readdirSync(join(folder, at('data/site')))).toHaveLength(FILES);
    expect(readdirSync(home).filter((name) => name.includes('restoring'))).toEqual([]);
    await expectCalm();
  }, 600_000);

  it('open-sandbox: half a sandbox begins anew, and none outlives the Steward that opened it', async () => {
    const run = await survive('open-sandbox', { source: 'crm' }, [programs.gate('restic', 'dump'), changeEnds('open')]);
    expect([run.status, run.error]).toEqual(['succeeded', undefined]);
    const [open, ...more] = await sandboxes();
    expect(more).toEqual([]);
    const people = (connect = ''): string =>
      execFileSync('/bin/sh', ['-c', `${connect} -XAtc 'select name from people'`], { stdio: 'pipe' })
        .toString()
        .trim();
    expect(people(open?.connect)).toBe('old');

    // By the words that a person has, and beside the other.
    const said = (...args: readonly string[]): unknown =>
      JSON.parse(
        execFileSync(process.execPath, [LAUNCHER, 'backup', ...args, '--json'], {
          env: { PATH: process.env['PATH'], STEWARD_HOME: home },
        }).toString(),
      );
    const asked = said('restore', 'shop', '--to', 'sandbox', '--for', '30m', '--wait') as {
      output: { path: string; sandbox: string };
    };
    expect(readFileSync(asked.output.path).subarray(0, 15).toString()).toBe('SQLite format 3');
    expect(said('sandboxes')).toHaveLength(2);
    const closed = said('close-sandbox', asked.output.sandbox, '--wait') as Run;
    expect(closed.status).toBe('succeeded');
    expect([existsSync(asked.output.path), (await sandboxes()).length]).toEqual([false, 1]);

    await steward.kill();
    expect(people(open?.connect)).toBe('old');
    await live();
    await eventually(
      'the end of what was left',
      async () => readdirSync(at('scratch')).length === 0 || undefined,
      20_000,
    );
    expect(await sandboxes()).toEqual([]);
    expect(() => people(open?.connect)).toThrow('Command failed');
    await expectCalm();
  }, 600_000);

  it('prune-backups: the last proven copy stays, and what was half removed is gone', async () => {
    const before = await copies();
    const proven = before.filter(({ provenAt }) => provenAt !== undefined);
    // The newest come first.
    const lastProven = proven.filter(
      ({ source, repository }, place) =>
        proven.findIndex((each) => each.source === source && each.repository === repository) === place,
    );
    const more = await api.post<Run>('automations/backup/runs', { input: { sources: ['shop'] } });
    expect((await ended(more.id)).status).toBe('succeeded');
    const look = await api.post<Run>('automations/verify-backups/runs', {
      input: { sources: ['shop'], restore: 'all' },
    });
    expect((await ended(look.id)).status).toBe('succeeded');
    // The clock of the record is what retention goes by, and a gap that is not usual counts for less.
    await store.query(
      `update backup_history set started_at = started_at - older.by from (
         select id, interval '40 days' * row_number() over (partition by source, repository order by sequence desc) as by
           from backup_history where id = any($1)
       ) older where older.id = backup_history.id`,
      [before.map(({ id }) => id)],
    );
    const run = await survive('prune-backups', { keep: '30d' }, [
      programs.gate('restic', 'forget'),
      stops(
        'a copy is removed, and not written down',
        `before update on backup_history for each row when (new.status = 'removed')`,
      ),
      programs.gate('restic', 'prune'),
    ]);
    expect([run.status, run.error]).toEqual(['succeeded', undefined]);
    const left = (await copies()).filter(({ status }) => status === 'complete');
    // Of shop newer ones are proven; of the others none, and their last proven ones stay.
    expect(left.filter(({ source, id }) => source === 'shop' && before.some((old) => old.id === id))).toEqual([]);
    expect(left.filter(({ source }) => source !== 'shop').map(({ id }) => id)).toEqual(
      expect.arrayContaining(lastProven.filter(({ source }) => source !== 'shop').map(({ id }) => id)),
    );
    const last = await api.post<Run>('automations/verify-backups/runs', { input: { read: 'all', restore: 'none' } });
    expect((await ended(last.id)).status).toBe('succeeded');
    await expectCalm();
  }, 600_000);
});
