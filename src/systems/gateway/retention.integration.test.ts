import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { testDatabase, type TestDatabase } from '../../testing/database.ts';
import { gatewayRetention } from './retention.ts';
import { gatewayMigrations, type GatewayTables } from './tables.ts';

const HOUR_MS = 60 * 60_000;
const DAY_MS = 24 * HOUR_MS;

describe('the retention of the gateway', () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await testDatabase({ migrations: gatewayMigrations });
  });
  afterAll(async () => await database.drop());

  it('forgets a count when its window is over, and none before', async () => {
    const db = database.store.db.withTables<GatewayTables>();
    const now = new Date();
    const ago = (ms: number): Date => new Date(now.getTime() - ms);
    await db
      .insertInto('gateway_windows')
      .values([
        { key: 'minute', window_ms: 60_000, touched: ago(121_000) },
        { key: 'young', window_ms: 60_000, touched: ago(119_000) },
        { key: 'second', window_ms: 1_000, touched: ago(62_000) },
        { key: 'day', window_ms: DAY_MS, touched: ago(47 * HOUR_MS) },
        { key: 'yesterday', window_ms: DAY_MS, touched: ago(49 * HOUR_MS) },
      ])
      .execute();
    let tidied = 0;
    const accessLog = { tidy: async () => void (tidied += 1) };
    await gatewayRetention({ db, accessLog }).run({ now } as Parameters<ReturnType<typeof gatewayRetention>['run']>[0]);
    const left = await db.selectFrom('gateway_windows').select('key').orderBy('key').execute();
    expect(left.map(({ key }) => key)).toEqual(['day', 'young']);
    expect(tidied).toBe(1);
  });
});
