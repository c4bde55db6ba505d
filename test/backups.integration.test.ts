import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  eventually,
  makeHome,
  removeHome,
  type RunningSteward,
  startSteward,
  steward,
  stewardJson,
} from './kit/steward.ts';

interface Standing {
  readonly source: string;
  readonly repository: string;
  readonly state: string;
  readonly proven: boolean;
  readonly rpoSeconds?: number;
  readonly rtoSeconds?: number;
}

interface Run {
  readonly id: string;
  readonly status: string;
  readonly planHash: string;
  readonly output: unknown;
}

describe('backups, as a person has them', () => {
  let home: string;
  let data: string;
  let running: RunningSteward;

  beforeAll(async () => {
    home = makeHome();
    data = join(home, 'data of the shop');
    mkdirSync(join(data, 'uploads'), { recursive: true });
    writeFileSync(join(data, 'uploads', 'first picture.txt'), 'a picture');
    const shop = new DatabaseSync(join(data, 'shop.db'));
    shop.exec(
      "create table orders (id integer primary key, what text); insert into orders (what) values ('tea'), ('cake')",
    );
    shop.close();
    const config = {
      discovery: { enabled: false },
      machine: { watch: false },
      backups: {
        // What of Steward itself comes to it has a test of its own: restore-home.
        self: false,
        sources: [
          {
            name: 'shop',
            kind: 'sqlite',
            path: join(data, 'shop.db'),
            assertions: [{ name: 'somebody ordered tea', sql: "select count(*) from orders where what = 'tea'" }],
          },
          { name: 'uploads', kind: 'files', paths: [join(data, 'uploads')] },
        ],
      },
    };
    // YAML is a superset of JSON.
    writeFileSync(join(home, 'steward.yaml'), JSON.stringify(config));
    running = await startSteward({ home });
  }, 120_000);

  afterAll(async () => {
    await running?.stop();
    if (home) await removeHome(home);
  });

  const standings = async (): Promise<Map<string, Standing>> => {
    const items = await stewardJson<Standing[]>(home, ['backups']);
    return new Map(items.map((item) => [item.source, item]));
  };

  it('are proven by restoring them, and only that makes them so', async () => {
    expect([...(await standings()).values()].map(({ state }) => state)).toEqual(['none', 'none']);
    const made = await stewardJson<Run>(home, ['backup', 'run', '--wait']);
    expect(made.status).toBe('succeeded');
    expect([...(await standings()).values()].map(({ proven }) => proven)).toEqual([false, false]);

    const looked = await stewardJson<Run>(home, ['backup', 'verify', '--restore', 'all', '--wait']);
    expect(looked.status).toBe('succeeded');
    const proven = await standings();
    expect([...proven.keys()]).toEqual(['shop', 'uploads']);
    for (const { source, state, rpoSeconds, rtoSeconds } of proven.values())
      expect([source, state, typeof rpoSeconds, typeof rtoSeconds]).toEqual([source, 'proven', 'number', 'number']);
    const report = JSON.parse(readFileSync(join(home, 'logs/latest_backup_verification_report.json'), 'utf8')) as {
      ok: boolean;
    };
    expect(report.ok).toBe(true);
  }, 240_000);

  it('are put over the original only once a person said so, after a safety copy, and that can be taken back', async () => {
    const shop = (): unknown[] => {
      const database = new DatabaseSync(join(data, 'shop.db'), { readOnly: true });
      const rows = database.prepare('select what from orders order by id').all();
      database.close();
      return rows.map(({ what }) => what);
    };
    const ruined = new DatabaseSync(join(data, 'shop.db'));
    ruined.exec("delete from orders; insert into orders (what) values ('nothing')");
    ruined.close();
    const password = join(home, 'password');
    writeFileSync(password, 'correct horse battery', { mode: 0o600 });
    const admin = await steward(home, ['admin', 'create', 'ada', '--password-file', password]);
    expect(admin.code, admin.stderr).toBe(0);

    const asked = await stewardJson<Run>(home, ['backup', 'restore', 'shop', '--wait']).catch(
      (thrown: unknown) => thrown,
    );
    const [waiting] = await stewardJson<Run[]>(home, ['runs', '--status', 'waiting-approval']);
    expect(waiting, String(asked)).toBeDefined();
    expect(shop()).toEqual(['nothing']);
    const who = ['--name', 'ada', '--password-file', password];
    const { id = '', planHash = '' } = waiting ?? {};
    const approve = async (run: string, plan: string): Promise<Run> =>
      await stewardJson<Run>(home, ['run', 'approve', run, plan, ...who, '--wait']);
    expect((await approve(id, planHash)).status).toBe('succeeded');
    expect(shop()).toEqual(['tea', 'cake']);

    const { stdout } = await steward(home, ['run', 'undo', id, '--wait', '--json']);
    const undo = JSON.parse(stdout) as Run;
    expect(undo.status).toBe('waiting-approval');
    expect(shop()).toEqual(['tea', 'cake']);
    expect((await approve(undo.id, undo.planHash ?? '')).status).toBe('succeeded');
    expect(shop()).toEqual(['nothing']);
  }, 240_000);

  it('are counted where nothing could be copied at all: in history, state and success rate', async () => {
    const away = join(home, 'data that is away');
    renameSync(data, away);
    try {
      const { code } = await steward(home, ['backup', 'run', 'shop', '--wait', '--json']);
      expect(code).not.toBe(0);
    } finally {
      renameSync(away, data);
    }
    const [shop] = await stewardJson<(Standing & { successRate: number })[]>(home, ['backups']);
    expect(shop).toMatchObject({ source: 'shop', state: 'failing', successRate: expect.any(Number) });
    expect(shop?.successRate).toBeLessThan(100);
    const [last] = await stewardJson<{ status: string; error: string }[]>(home, ['backup', 'history']);
    expect(last).toMatchObject({ status: 'failed', error: expect.stringContaining('shop.db') });
    const { stdout } = await steward(home, ['backups']);
    expect(stdout).toMatch(/success rate/);
  }, 120_000);

  it('come back beside the original without touching it', async () => {
    rmSync(join(data, 'uploads', 'first picture.txt'));
    const to = join(home, 'restored');
    const run = await stewardJson<Run>(home, ['backup', 'extract', 'uploads', '--folder', to, '--wait']);
    expect(run.status).toBe('succeeded');
    expect(readFileSync(join(to, data, 'uploads', 'first picture.txt'), 'utf8')).toBe('a picture');
  }, 120_000);

  it('go on where one source is broken: the others are copied, proven and pruned, for the kinds that somebody named', async () => {
    interface Execution {
      readonly status: string;
      readonly steps: readonly { readonly id: string; readonly status: string; readonly runId?: string }[];
    }
    const config = JSON.parse(readFileSync(join(home, 'steward.yaml'), 'utf8')) as {
      backups: { sources: object[] };
    };
    config.backups.sources.push({ name: 'gone', kind: 'sqlite', path: join(data, 'gone.db') });
    writeFileSync(join(home, 'steward.yaml'), JSON.stringify(config));
    await eventually('the configuration is in force', async () => (await standings()).has('gone') || undefined);

    const shop = new DatabaseSync(join(data, 'shop.db'));
    shop.exec("insert into orders (what) values ('tea')");
    shop.close();
    const args = ['--targets', '["sqlite"]', '--rotate', '30d'];
    const { execution } = await stewardJson<{ execution: string }>(home, ['auto-backup', ...args]);
    const ended = await eventually(
      'the chain ends',
      async () => {
        const one = await stewardJson<Execution>(home, ['workflow', 'execution', execution]);
        return ['running', 'queued'].includes(one.status) ? undefined : one;
      },
      120_000,
    );

    expect(ended.steps.map(({ id, status }) => [id, status])).toEqual([
      ['backup', 'failed'],
      ['verify', 'succeeded'],
      ['prune', 'succeeded'],
    ]);
    expect(ended.status).toBe('failed');
    const [made, looked] = await Promise.all(
      ended.steps
        .slice(0, 2)
        .map(({ runId = '' }) =>
          stewardJson<{ output: { copies: { source: string }[] } }>(home, ['run', 'show', runId]),
        ),
    );
    // The safety copy of before is looked at, too; nothing of another kind is.
    const sources = [made, looked].map((run) => [...new Set(run?.output.copies.map(({ source }) => source))]);
    expect(sources).toEqual([['shop'], ['shop']]);
  }, 240_000);

  it('give one file, by the path that browsing shows', async () => {
    const [copy] = await stewardJson<{ id: string }[]>(home, ['backup', 'history', '--source', 'uploads']);
    const shown = await stewardJson<{ path: string; kind: string }[]>(home, ['backup', 'browse', copy?.id ?? '']);
    const path = shown.find(({ kind }) => kind === 'file')?.path ?? '';
    const to = join(home, 'one file');
    const args = ['backup', 'extract', 'uploads', '--folder', to, '--paths', path, '--wait'];
    const { output } = await stewardJson<Run>(home, args);
    expect(output).toMatchObject({ restored: [join(to, path)] });
    expect(readFileSync(join(to, path), 'utf8')).toBe('a picture');
  }, 120_000);
});
