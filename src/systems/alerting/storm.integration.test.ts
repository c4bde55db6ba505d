import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { AlertRouting } from '../../core/alert-routing.ts';
import { type AlertingKit, alertingKit, fakeChannel } from '../../testing/alerting.ts';

const CHILDREN = 500;
const until = (check: () => unknown) => vi.waitFor(check, { timeout: 30_000, interval: 50 });

describe('a storm', () => {
  let kit: AlertingKit;
  beforeEach(async () => {
    kit = await alertingKit();
  });
  afterEach(() => kit.drop());

  it(`of ${CHILDREN} incidents with one parent is one message, one row for it, and one of its end`, async () => {
    const [ops, phone] = [fakeChannel('ops'), fakeChannel('phone')];
    const routing = AlertRouting.parse({
      default: ['ops'],
      escalate: { steps: [{ after: '1m', channels: ['phone'] }] },
    });
    let passed = 0;
    const alerting = await kit.start([ops, phone], { routing, repeatMs: 60_000 }, { monotonicMs: () => passed });
    const parent = await kit.open('database');
    for (let index = 0; index < CHILDREN; index += 1) {
      await kit.ledger.open({
        fingerprint: `down:app-${index}`,
        title: `app-${index} is down`,
        symptom: 'service.down',
        severity: 'critical',
        parentId: parent.id,
        evidence: {},
      });
    }
    await until(() => expect(ops.titles()).toEqual(['opened: database is down']));
    await kit.job(alerting, 'alert-escalations');
    passed = 61_000;
    await kit.later(61_000);
    await kit.job(alerting, 'alert-escalations');
    await kit.job(alerting, 'alert-reminders');
    await until(() => expect(phone.titles()).toEqual(['escalated: Nobody has taken it for 1m: database is down']));
    expect((await kit.database.store.pool.query('select incident_id from alert_escalations')).rows).toEqual([
      { incident_id: parent.id },
    ]);
    await kit.ledger.resolve(parent.id, 'it is back');
    await until(() => expect(phone.titles().at(-1)).toBe('resolved: Resolved: database is down'));
    const { rows } = await kit.database.store.pool.query('select distinct incident_id from alerts');
    expect(rows).toEqual([{ incident_id: parent.id }]);
  }, 120_000);
});
