import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Actor } from '../../core/actor.ts';
import type { AuditEntry, AuditFollower, AuditRecord } from '../../core/audit.ts';
import type { Incident, NewIncident } from '../../core/incident.ts';
import { testDatabase, type TestDatabase } from '../../testing/database.ts';
import { memoryLog } from '../../testing/log.ts';
import { createSecurity } from './index.ts';
import { securityMigrations } from './tables.ts';

const bot: Actor = { kind: 'token', id: 'token:bot', name: 'bot', role: 'agent', onBehalfOf: 'ada' };
const ada: Actor = { kind: 'user', id: 'usr_1', name: 'ada', role: 'operator', session: 'ses_1' };
const stranger: Actor = { kind: 'user', id: 'unknown', name: 'root', role: 'viewer' };

describe('the watch over who is turned away', () => {
  let database: TestDatabase;
  let follower: AuditFollower;
  let opened: NewIncident[];
  let clock: Date;
  let seq = 0;
  const tell = async (
    count: number,
    actor: Actor,
    more: Partial<AuditEntry> = {},
    secondsApart = 10,
  ): Promise<void> => {
    for (let n = 0; n < count; n++) {
      clock = new Date(clock.getTime() + secondsApart * 1_000);
      const record: AuditRecord = {
        chain: 'c',
        seq: (seq += 1),
        at: clock,
        hash: 'h',
        action: 'access.refused',
        outcome: 'refused',
        actor,
        from: '203.0.113.9',
        ...more,
      };
      await follower.handle([record], new AbortController().signal);
    }
  };
  const events = async () =>
    (await database.store.events.read({ types: ['security.anomaly'] })).map(({ data, subject }) => ({
      ...data,
      subject,
    }));

  beforeEach(async () => {
    database = await testDatabase({ migrations: securityMigrations });
    opened = [];
    clock = new Date('2026-11-20T12:00:01Z');
    const security = createSecurity({
      store: database.store,
      records: {
        follow(given) {
          follower = given;
          return { stop: async () => undefined };
        },
      },
      incidents: { open: async (incident) => (opened.push(incident), {} as Incident) },
      node: { id: 'node_a' },
      now: () => clock,
      log: memoryLog(),
    });
    await security.start();
  });
  afterEach(() => database.drop());

  it('tells of an agent at the fifth refusal, once in a window, and of it again in a later one', async () => {
    await tell(4, bot);
    expect(opened).toEqual([]);
    await tell(8, bot);

    expect(opened).toMatchObject([
      {
        fingerprint: 'security.anomaly:refusals:actor:token:bot',
        title: 'bot (agent) was turned away 5 times within 10 minutes',
        severity: 'warning',
        evidence: { from: '203.0.113.9', refusals: 5 },
      },
    ]);
    await sleep(50);
    expect(await events()).toMatchObject([{ kind: 'refusals', subject: { kind: 'actor', id: 'token:bot' } }]);

    clock = new Date(clock.getTime() + 3_600_000);
    await tell(30, bot, {}, 2);
    expect(opened).toHaveLength(2);
  });

  it('gives a person more, an address as a whole no more, and nonsense does not count', async () => {
    await tell(9, ada);
    await tell(20, ada, { outcome: 'refused', detail: { code: 'INPUT_INVALID' } });
    await tell(20, ada, { outcome: 'failed' });
    expect(opened).toEqual([]);
    // Another name each time, from addresses of one network.
    for (let n = 0; n < 10; n++)
      await tell(1, { ...stranger, name: `root${n}` }, { action: 'login.refused', from: `2001:db8:1:2::${n}` });

    expect(opened).toMatchObject([{ fingerprint: 'security.anomaly:refusals:address:2001:db8:1:2::/64' }]);
  });

  it('tells of a revoked credential at once, and of a lock-out', async () => {
    await tell(1, bot, { detail: { credential: 'revoked' } });
    await tell(1, stranger, { action: 'login.locked-out', from: '198.51.100.1' });

    expect(opened).toMatchObject([
      { severity: 'critical', title: 'The token bot was used from 203.0.113.9 although it is revoked' },
      { severity: 'warning', title: expect.stringContaining('locked out') },
    ]);
  });

  it('tells of a token that is used from elsewhere, unless it travels', async () => {
    const used = (from: string) => tell(1, bot, { outcome: 'succeeded', action: 'command.x', from });
    for (const from of ['10.0.0.1', '10.0.0.1', '127.0.0.1', 'steward']) await used(from);
    expect(opened).toEqual([]);
    await used('10.0.0.2');
    await used('10.0.0.2');
    expect(opened).toMatchObject([{ title: 'The token bot was used from 10.0.0.2 for the first time' }]);

    for (let n = 3; n < 12; n++) await used(`10.0.0.${n}`);
    expect(opened).toHaveLength(4);
  });

  it('calls nobody about what is long over, nor about itself', async () => {
    const late = clock;
    clock = new Date(clock.getTime() - 86_400_000);
    const records = Array.from({ length: 20 }, (_, n): AuditRecord => ({
      chain: 'c',
      seq: n,
      at: clock,
      hash: 'h',
      action: 'access.refused',
      outcome: 'refused',
      actor: bot,
      from: '::1',
    }));
    clock = late;
    await follower.handle(records, new AbortController().signal);
    await tell(20, { ...bot, kind: 'system' });
    await tell(20, bot, { action: 'security.anomaly' });

    expect(opened).toEqual([]);
  });
});
