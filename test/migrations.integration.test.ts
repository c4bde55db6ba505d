import { mkdirSync, writeFileSync } from 'node:fs';
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

interface Run {
  readonly id: string;
  readonly status: string;
  readonly error?: { readonly code: string; readonly message: string; readonly hint?: string };
  readonly output?: {
    readonly rehearsal: { readonly wayBack: string | null } | null;
    readonly recoveryPoint: string | null;
  };
}
interface Standing {
  readonly version: string;
  readonly state: string;
  readonly message?: string;
}

describe('migrations, as a person has them', () => {
  let home: string;
  let running: RunningSteward;
  let path: string;

  const write = (set: string, file: string, sql: string): void => writeFileSync(join(home, set, file), sql);
  const lite = (sql: string): unknown[] => {
    using database = new DatabaseSync(path);
    return database
      .prepare(sql)
      .all()
      .map((row) => ({ ...row }));
  };

  beforeAll(async () => {
    home = makeHome();
    path = join(home, 'shop.db');
    lite('create table orders (id integer primary key, note text)');
    lite("insert into orders (note) values ('tea'), ('cake')");
    mkdirSync(join(home, 'lite'));
    const config = {
      discovery: { enabled: false },
      machine: { watch: false },
      policy: [{ automation: 'migrate-database', trigger: 'cli', decision: 'auto' }],
      backups: {
        self: false,
        sources: [{ name: 'lite', kind: 'sqlite', path }],
      },
      databases: { migrations: [{ name: 'lite', source: 'lite', folder: join(home, 'lite') }] },
    };
    // YAML is a superset of JSON.
    writeFileSync(join(home, 'steward.yaml'), JSON.stringify(config));
    running = await startSteward({ home });
  }, 180_000);

  afterAll(async () => {
    await running?.stop();
    if (home) await removeHome(home);
  }, 60_000);

  const run = async (...args: string[]): Promise<Run> => {
    const { stdout, stderr } = await steward(home, ['migrate', ...args, '--json']);
    const { id } = JSON.parse(stdout || stderr) as Run;
    return await ended(id);
  };
  const ended = (id: string): Promise<Run> =>
    eventually(
      `the end of ${id}`,
      async () => {
        const told = await stewardJson<Run>(home, ['run', 'show', id]);
        return ['succeeded', 'failed', 'rolled-back', 'rollback-failed', 'canceled', 'stale'].includes(told.status)
          ? told
          : undefined;
      },
      120_000,
    );
  const standing = async (set: string): Promise<[string, string][]> =>
    (await stewardJson<Standing[]>(home, ['migrations', set])).map(({ version, state }) => [version, state]);

  it('are shown with their SQL, rehearsed in the proven copy, applied after a recovery point, and taken back', async () => {
    write(
      'lite',
      '0001_totals.up.sql',
      'alter table orders add column total integer not null default 0;\nupdate orders set total = 5;\n',
    );
    write('lite', '0001_totals.down.sql', 'alter table orders drop column total;\n');
    expect((await stewardJson<Run>(home, ['backup', 'run', 'lite', '--wait'])).status).toBe('succeeded');
    expect((await stewardJson<Run>(home, ['backup', 'verify', '--restore', 'all', '--wait'])).status).toBe('succeeded');
    expect(await standing('lite')).toEqual([['0001', 'pending']]);

    const { code, stdout } = await steward(home, ['migrate', 'lite', '--dry-run', '--wait']);
    expect(code).toBe(0);
    expect(stdout).toContain('| alter table orders add column total integer not null default 0;');
    expect(stdout).toContain('Warning, line 2: update orders set total = 5 touches every row');
    expect(stdout).toContain('If it fails: the engine rolls all of it back.');
    expect(await standing('lite')).toEqual([['0001', 'pending']]);

    const done = await run('lite');
    expect(done.error).toBeUndefined();
    expect(done.output).toMatchObject({ rehearsal: { wayBack: 'The down files take all of it back.' } });
    expect(done.output?.recoveryPoint).toMatch(/^cp_.*_before$/);
    expect(lite('select distinct total from orders')).toEqual([{ total: 5 }]);
    expect(await standing('lite')).toEqual([['0001', 'applied']]);

    write('lite', '0001_totals.up.sql', 'select 1;\n');
    expect(await standing('lite')).toEqual([['0001', 'changed']]);
    const refused = await run('lite');
    expect(refused.error).toMatchObject({
      code: 'PRECONDITION_FAILED',
      message: expect.stringContaining('0001_totals.up.sql was changed after it was applied'),
    });

    write(
      'lite',
      '0001_totals.up.sql',
      'alter table orders add column total integer not null default 0;\nupdate orders set total = 5;\n',
    );
    expect((await run('lite', '--direction', 'down', '--no-rehearse', '--no-recovery-point')).error).toBeUndefined();
    expect(lite("select name from pragma_table_info('orders')")).toEqual([{ name: 'id' }, { name: 'note' }]);
  }, 240_000);
});
