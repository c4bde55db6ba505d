import pg from 'pg';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { ProbeResult } from '../../core/check.ts';
import { bundledUrl } from '../../store/bundled-postgres.ts';
import { type TestDatabase, testDatabase, testServer } from '../../testing/database.ts';
import { memoryLog } from '../../testing/log.ts';
import { storeChecks } from './check-store.ts';
import { availability, uptimes } from './availability.ts';
import { keepHistory } from './history.ts';
import { type Recorder, createRecorder } from './recorder.ts';
import { newCheckState, storable } from './state.ts';
import { type MonitoringTables, monitoringMigrations } from './tables.ts';

const at = new Date('2026-11-20T12:00:00Z');
const result = (more: Partial<ProbeResult> = {}): ProbeResult => ({
  state: 'up',
  latencyMs: 1.5,
  message: 'HTTP 200',
  depth: 'query',
  detail: {},
  ...more,
});

let database: TestDatabase;
let recorder: Recorder;
let number: number;
let log: ReturnType<typeof memoryLog>;
const db = () => database.store.db.withTables<MonitoringTables>();
beforeEach(async () => {
  database = await testDatabase({ migrations: monitoringMigrations });
  log = memoryLog();
  recorder = createRecorder({ db: db(), events: database.store.events, log });
  const target = { kind: 'tcp' as const, host: '127.0.0.1', port: 1 };
  const check = {
    id: 'chk_1',
    resourceId: 'svc_1',
    target,
    origin: 'discovered' as const,
    every: '60s',
    timeout: '5s',
    failures: 3,
    successes: 1,
    slow: '30s',
  };
  number = (await storeChecks(db(), [check], 'n1', at)).get('chk_1') ?? 0;
});
afterEach(async () => {
  await recorder.stop();
  await database.drop();
});

const seen = (more?: Partial<ProbeResult>, when = at) =>
  recorder.result(
    { id: 'chk_1', number },
    storable(result(more)),
    { ...newCheckState(when), at: when, last: storable(result(more)) },
    when,
  );
const wentDown = () =>
  recorder.news({
    event: { type: 'service.down', subject: { kind: 'service', id: 'svc_1' }, data: { state: 'down' } },
    status: { resourceId: 'svc_1', node: 'n1', state: 'down', since: at, failures: 3, message: 'refused' },
  });

/** The database refuses everybody, as it does while it restarts. */
async function away(isAway: boolean): Promise<void> {
  const admin = new pg.Client({ connectionString: bundledUrl(await testServer()) });
  await admin.connect();
  const name = new URL(database.databaseUrl).pathname.slice(1);
  await admin.query(`alter database ${name} with allow_connections ${!isAway}`);
  if (isAway) await admin.query('select pg_terminate_backend(pid) from pg_stat_activity where datname = $1', [name]);
  await admin.end();
}

describe('recorder', () => {
  it('writes many results at once, and keeps words only for what is not as it should be', async () => {
    for (let index = 0; index < 700; index += 1) seen({}, new Date(at.getTime() + index));
    seen({ state: 'down', message: 'connection refused' }, new Date(at.getTime() + 700));
    await recorder.flush();

    const rows = await db().selectFrom('check_results').selectAll().orderBy('at').execute();
    expect(rows).toHaveLength(701);
    expect(rows[0]).toEqual({ check_number: number, at, state: 0, latency_ms: 1.5, message: null });
    expect(rows.at(-1)).toMatchObject({ state: 2, message: 'connection refused' });
    expect(await db().selectFrom('check_states').select('last').executeTakeFirst()).toMatchObject({
      last: { state: 'down', message: 'connection refused' },
    });
  });

  it('stores text that PostgreSQL would refuse, cleaned', async () => {
    seen({ state: 'down', message: 'a\u0000b \ud83d', detail: { body: '\\u0000 \udc00' } });
    await recorder.flush();

    expect(await db().selectFrom('check_results').select('message').executeTakeFirst()).toEqual({
      message: 'ab \ufffd',
    });
  });

  it('keeps everything while the database is away, loses no change, and goes on by itself', async () => {
    await away(true);
    seen();
    wentDown();
    await vi.waitFor(
      () => expect(log.lines.map(({ message }) => message)).toContain('results could not be stored and are kept'),
      5_000,
    );
    seen({}, new Date(at.getTime() + 1));
    expect(
      await recorder.flush().then(
        () => 'stored',
        () => 'kept',
      ),
    ).toBe('kept');

    await away(false);

    await vi.waitFor(async () => {
      expect(await db().selectFrom('check_results').selectAll().execute()).toHaveLength(2);
      expect(await db().selectFrom('service_statuses').select('state').execute()).toEqual([{ state: 'down' }]);
      expect(await db().selectFrom('service_transitions').select('message').execute()).toEqual([
        { message: 'refused' },
      ]);
    }, 15_000);
    await vi.waitFor(
      async () => expect((await database.store.events.read()).map(({ type }) => type)).toEqual(['service.down']),
      10_000,
    );
    expect(recorder.dropped()).toBe(0);
  });
});

describe('history', () => {
  it('has a partition for each day to come, moves what came early, and drops whole old days', async () => {
    const old = new Date('2026-11-01T12:00:00Z');
    await keepHistory(db(), old);
    seen({}, old);
    seen({}, at);
    await recorder.flush();
    const count = async () =>
      Number(
        (
          await db()
            .selectFrom('check_results')
            .select(({ fn }) => fn.countAll().as('n'))
            .executeTakeFirstOrThrow()
        ).n,
      );
    expect(await count()).toBe(2);

    await Promise.all([keepHistory(db(), at), keepHistory(db(), at)]);

    expect(await count()).toBe(1);
    const { rows } = await database.store.pool.query<{ name: string }>(
      "select inhrelid::regclass::text as name from pg_inherits where inhparent = 'check_results'::regclass order by 1",
    );
    expect(rows.map(({ name }) => name)).toEqual([
      'check_results_2026_11_20',
      'check_results_2026_11_21',
      'check_results_2026_11_22',
      'check_results_other',
    ]);
    expect((await database.store.pool.query('select 1 from check_results_other')).rowCount).toBe(0);
  });

  it('measures uptime by what was known, leaving out what was stopped or unseen', async () => {
    const hour = (hours: number) => new Date(at.getTime() + hours * 3_600_000);
    const changes = [
      ['up', -30],
      ['down', 6],
      ['up', 12],
      ['stopped', 15],
      ['unknown', 18],
      ['up', 21],
    ] as const;
    for (const [state, hours] of changes)
      await db()
        .insertInto('service_transitions')
        .values({ resource_id: 'svc_1', at: hour(hours), state, message: '' })
        .execute();

    // Up 6 + 3 + 3 hours, down 6.
    expect((await uptimes(db(), hour(0), hour(24))).get('svc_1')).toBeCloseTo(100 * (12 / 18), 2);
    // Of the six hours down, four were maintenance, told of in two windows that overlap; so was an hour up.
    const excused = [
      { resourceId: 'svc_1', from: hour(7), until: hour(10) },
      { resourceId: 'svc_1', from: hour(8), until: hour(11) },
      { resourceId: 'svc_1', from: hour(12), until: hour(13) },
      { resourceId: 'svc_2', from: hour(0), until: hour(24) },
    ];
    expect((await uptimes(db(), hour(0), hour(24), excused)).get('svc_1')).toBeCloseTo(100 * (11 / 13), 2);
    // Per day, with what lay before the first of them.
    const days = [
      { name: 'first', from: hour(-12), until: hour(12) },
      { name: 'second', from: hour(12), until: hour(24) },
    ];
    expect((await availability(db(), days, excused)).toSorted((a, b) => (a.span < b.span ? -1 : 1))).toEqual([
      { resourceId: 'svc_1', span: 'first', upSeconds: 18 * 3_600, downSeconds: 2 * 3_600 },
      { resourceId: 'svc_1', span: 'second', upSeconds: 5 * 3_600, downSeconds: 0 },
    ]);
    // Nothing else was known of it.
    expect(
      (await uptimes(db(), hour(6), hour(12), [{ resourceId: 'svc_1', from: hour(0), until: hour(24) }])).get('svc_1'),
    ).toBeUndefined();
  });
});
