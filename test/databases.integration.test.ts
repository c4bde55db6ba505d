import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MaintenanceReport } from '../src/core/database/report.ts';
import { startPostgres, type TestPostgres } from '../src/testing/world/postgres.ts';
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
  readonly plan: readonly { readonly title: string; readonly undo: string }[];
  readonly output: unknown;
}

describe('databases, as a person keeps them fit', () => {
  let home: string;
  let server: TestPostgres;
  let running: RunningSteward;

  beforeAll(async () => {
    home = makeHome();
    server = await startPostgres({ shared_preload_libraries: 'pg_stat_statements', autovacuum: 'off' });
    await server.say('postgres', 'create database shop');
    await server.say(
      'shop',
      'create extension pgstattuple',
      'create extension pg_stat_statements',
      'create table orders (id int primary key, customer text, what text)',
      "insert into orders select i, 'customer ' || i % 5000, md5(i::text) from generate_series(1, 150000) i",
      'create index orders_what on orders (what)',
      'delete from orders where id % 3 > 0',
      // What it is built by is fast for as long as nothing is in the table beside.
      'create table slowed ()',
      `create function keyed(what text) returns text immutable language plpgsql as
        'begin if exists (select from public.slowed) then perform pg_sleep(0.01); end if; return what; end'`,
      'create table goods as select i as id, md5(i::text) as what from generate_series(1, 60000) i',
      'create index goods_keyed on goods (keyed(what))',
    );
    const password = join(home, 'password of the shop');
    writeFileSync(password, server.password, { mode: 0o600 });
    const { host, port, user } = server;
    const config = {
      discovery: { enabled: false },
      machine: { watch: false },
      databases: { slow: '1ms', lockTimeout: '1s', divergence: { times: 2, atLeast: '1s' } },
      backups: {
        sources: [{ name: 'crm', kind: 'postgres', host, port, user, password: { file: password }, tls: 'disable' }],
      },
    };
    // YAML is a superset of JSON.
    writeFileSync(join(home, 'steward.yaml'), JSON.stringify(config));
    running = await startSteward({ home });
  }, 180_000);

  afterAll(async () => {
    await running?.stop();
    await server?.say('postgres', 'checkpoint');
    await server?.[Symbol.asyncDispose]();
    if (home) await removeHome(home);
  });

  const maintain = (...more: string[]): Promise<Run> =>
    stewardJson<Run>(home, ['databases', 'maintain', 'shop', '--optimize', 'daily', '--wait', ...more]);

  it('are vacuumed and their indexes built anew, after that went well on the restored copy, and it is seen', async () => {
    const planned = await maintain('--dry-run');
    expect(planned.status).toBe('succeeded');
    const before = planned.plan.map(({ title }) => title);
    expect(before).toContain('Vacuum public.orders in shop (crm)');
    expect(before).toContain('Take the statistics of public.orders in shop (crm)');
    expect(planned.plan.every(({ undo }) => undo === 'none')).toBe(true);

    for (const step of [['run'], ['verify', '--restore', 'all']])
      expect((await stewardJson<Run>(home, ['backup', ...step, '--wait'])).status).toBe('succeeded');
    await server.say('shop', 'vacuum orders');
    for (let asked = 0; asked < 3; asked += 1)
      await server.say('shop', "select count(*) from orders where customer = 'customer 7'");

    const { status, output } = await maintain('--auto-index', '--rehearse', 'all');
    const report = MaintenanceReport.parse(output);
    expect([status, report.failed, report.postponed]).toEqual(['succeeded', [], []]);
    const done = report.done.map(({ kind, object }) => `${kind} ${object}`);
    expect(done).toContain('reindex public.orders_what');
    expect(done).toContain('reindex public.orders_pkey');
    expect(done).toContain('analyze public.orders');
    for (const { kind, beforeBytes = 0, afterBytes = 0 } of report.done)
      if (kind === 'reindex') expect(afterBytes).toBeLessThan(beforeBytes);
    expect(report.rehearsed.map(({ kind, object }) => `${kind} ${object}`)).toEqual(expect.arrayContaining(done));
    expect(report.rehearsed.every(({ durationMs, error }) => durationMs !== undefined && error === undefined)).toBe(
      true,
    );
    expect(report.sources[0]?.rehearsedOn).toMatch(/^cp_/);
    expect(report.advice).toContainEqual(
      expect.objectContaining({ table: 'public.orders', columns: ['customer'], tested: 'sandbox' }),
    );
    // Suggested, and not made.
    expect(await server.say('shop', "select from pg_index where indrelid = 'orders'::regclass")).toHaveLength(2);
    expect(await server.say('shop', 'select count(*)::int as n from orders')).toEqual([{ n: 50_000 }]);

    const again = await maintain();
    expect(again.plan).toEqual([]);
  }, 300_000);

  it('are shown with what was seen of them, what was done, and what a person may want to do', async () => {
    await eventually('what was done is remembered', async () => {
      const shown = await stewardJson<{ done: { kind: string }[]; message: string }>(home, [
        'databases',
        'show',
        'crm',
      ]);
      return shown.done.some(({ kind }) => kind === 'reindex') || undefined;
    });
    const [row] = await stewardJson<{ source: string; bytes: number; advice: number }[]>(home, ['databases']);
    expect(row).toMatchObject({ source: 'crm', kind: 'postgres', advice: 1 });
    const advice = await stewardJson<{ kind: string; sql: string }[]>(home, ['databases', 'advice']);
    expect(advice).toMatchObject([
      { kind: 'missing-index', sql: 'create index concurrently on "public"."orders" ("customer")' },
    ]);
    const settings = await stewardJson<{ source: string; setting: string; should: string }[]>(home, [
      'databases',
      'settings',
    ]);
    expect(settings).toContainEqual(expect.objectContaining({ source: 'crm', setting: 'autovacuum', should: 'on' }));
    const file = JSON.parse(
      readFileSync(join(home, 'logs/latest_database_maintenance_report.json'), 'utf8'),
    ) as unknown;
    const kept = MaintenanceReport.parse(file);
    expect(kept.ok).toBe(true);
    expect(kept.settings.map(({ setting }) => setting)).toContain('autovacuum');
    expect(readdirSync(join(home, 'logs')).join()).toMatch(/database_maintenance_report_\d{8}_\d{6}\.json/);
  }, 60_000);

  it('are left as they were where that takes far longer than on the copy: it is ended, told, and nothing of it is left', async () => {
    for (const step of [['run'], ['verify', '--restore', 'all']])
      expect((await stewardJson<Run>(home, ['backup', ...step, '--wait'])).status).toBe('succeeded');
    await server.say(
      'shop',
      'delete from goods where id % 3 > 0',
      'vacuum analyze goods',
      'insert into slowed default values',
    );
    // Whose statistics take the same function, they end the same way.
    const args = ['databases', 'maintain', 'shop', '--optimize', 'daily', '--rehearse', 'all', '--wait', '--json'];
    const { code, stdout } = await steward(home, args);
    expect(code).toBe(11);
    const { status, output } = JSON.parse(stdout) as Run;
    const { diverged, failed, rehearsed, done } = MaintenanceReport.parse(output);
    expect([status, failed]).toEqual(['failed', []]);
    const ended = diverged.find(({ kind, object }) => kind === 'reindex' && object === 'public.goods_keyed');
    expect(ended?.why).toMatch(/it took longer than .*, after .* on its copy.*It was ended/);
    expect(rehearsed).toContainEqual(expect.objectContaining({ object: 'public.goods_keyed' }));
    expect(done.map(({ object }) => object)).not.toContain('public.goods_keyed');
    expect(await server.say('shop', 'select from pg_index where not indisvalid')).toEqual([]);
    expect(await server.say('shop', "select from pg_class where relname like '%_ccnew%'")).toEqual([]);
    expect(await server.say('shop', "select from pg_locks where relation = 'goods'::regclass")).toEqual([]);
    await server.say('shop', 'drop table goods, slowed');
  }, 300_000);
});
