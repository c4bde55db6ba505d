import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type TestDatabase, testDatabase } from '../../testing/database.ts';
import { incidentsMigrations } from './index.ts';
import { createLedger, type Ledger } from './ledger.ts';

const COUNT = 230;

describe('incidents that are over at once', () => {
  let database: TestDatabase;
  let ledger: Ledger;
  beforeEach(async () => {
    database = await testDatabase({ migrations: incidentsMigrations });
    ledger = createLedger({ store: database.store, now: () => new Date() });
  });
  afterEach(() => database.drop());

  const count = async (query: string): Promise<number> => {
    const { rows } = await database.store.pool.query<{ count: number }>(`select count(*)::int as count from ${query}`);
    return rows[0]?.count ?? -1;
  };

  it('end together, each with its event and its line, once, whoever else ends the same at that moment', async () => {
    const ids: string[] = [];
    for (let index = 0; index < COUNT; index += 1) {
      const { id } = await ledger.open({
        fingerprint: `f${index}`,
        title: `service ${index} is down`,
        symptom: 'service.down',
        severity: 'critical',
        evidence: {},
      });
      ids.push(id);
    }
    const [first = '', second = ''] = ids;
    await ledger.resolve(first, 'by hand');
    await Promise.all([
      ledger.resolveAll(ids, 'It answers again.'),
      ledger.resolveAll(ids.toReversed(), 'It answers again.'),
      ledger.resolve(second, 'It answers again.'),
    ]);
    expect(await ledger.unresolved()).toEqual([]);
    expect(await count("events where type = 'incident.resolved'")).toBe(COUNT);
    expect(await count("incident_timeline where kind = 'resolved'")).toBe(COUNT);
    expect(
      await count("(select distinct causation->>'incidentId' from events where type = 'incident.resolved') e"),
    ).toBe(COUNT);
    expect(await ledger.get(first)).toMatchObject({ resolution: 'by hand' });
    expect(await ledger.get(ids.at(-1) ?? '')).toMatchObject({ status: 'resolved', resolution: 'It answers again.' });
    await ledger.resolveAll([], 'nothing');
    await ledger.resolveAll(['inc_of_nobody'], 'nothing');
  }, 60_000);

  it('are open as before where the store fails within, and none is over without its event', async () => {
    const { id } = await ledger.open({
      fingerprint: 'one',
      title: 'one',
      symptom: 'service.down',
      severity: 'warning',
      evidence: {},
    });
    await database.store.pool.query(
      `create function refuse() returns trigger language plpgsql as $$ begin raise exception 'disk full'; end $$`,
    );
    await database.store.pool.query(
      `create trigger refuse before insert on events for each row when (new.type = 'incident.resolved') execute function refuse()`,
    );
    await expect(ledger.resolveAll([id], 'over')).rejects.toThrow('disk full');
    expect(await ledger.get(id)).toMatchObject({ status: 'open' });
    expect(await count("incident_timeline where kind = 'resolved'")).toBe(0);
  });
});
