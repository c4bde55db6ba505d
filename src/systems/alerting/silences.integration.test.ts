import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { AnyOperation, Call } from '../../core/operation.ts';
import { type AlertingKit, alertingKit, fakeChannel } from '../../testing/alerting.ts';
import type { Alerting } from './index.ts';

const until = (check: () => unknown) => vi.waitFor(check, { timeout: 15_000, interval: 20 });

describe('a silence', () => {
  let kit: AlertingKit;
  let ops: ReturnType<typeof fakeChannel>;
  let alerting: Alerting;
  beforeEach(async () => {
    kit = await alertingKit([
      { id: 'res_shop', name: 'shop', labels: { team: 'shop' } },
      { id: 'res_crm', name: 'crm', labels: {} },
    ]);
    ops = fakeChannel('ops');
    alerting = await kit.start([ops], { repeatMs: 60_000 });
  });
  afterEach(() => kit.drop());

  const perform = async (name: string, input: object): Promise<Record<string, never>> => {
    const operation = alerting.operations.find((each) => each.name === name) as AnyOperation;
    const call: Call = {
      actor: { kind: 'user', id: 'u', name: 'Ada', role: 'operator' },
      now: kit.now(),
      from: 'local',
      requestId: 'r',
    };
    return (await operation.handle(operation.input.parse(input), call)) as Record<string, never>;
  };
  const notes = async (id: string): Promise<string[]> =>
    (await kit.ledger.timeline(id)).filter(({ kind }) => kind === 'suppressed').map(({ message }) => message);

  it('keeps quiet what matches, shows so on the incident, and tells at its end what is still open', async () => {
    const { id } = await perform('create-silence', { reason: 'disk is ordered', services: ['sh*'], for: '1h' });
    const shop = await kit.open('shop');
    await kit.open('crm');
    await until(() => expect(ops.titles()).toEqual(['opened: crm is down']));
    await until(async () =>
      expect(await notes(shop.id)).toEqual([
        expect.stringMatching(/^Silenced until \d{4}-\d\d-\d\d \d\d:\d\d UTC by Ada: disk is ordered$/),
      ]),
    );
    await kit.later(11_000);
    expect(ops.taken).toHaveLength(1);
    expect(await perform('silences', {})).toMatchObject({
      items: [{ id, state: 'active', quiet: 'sh*', actor: 'Ada' }],
    });
    await perform('end-silence', { id });
    await kit.later(11_000);
    await until(() => expect(ops.titles()).toEqual(['opened: crm is down', 'opened: shop is down']));
    expect((await notes(shop.id)).at(-1)).toBe('Ada ended the silence: disk is ordered');
    expect(await perform('silences', {})).toEqual({ items: [] });
    expect(await perform('silences', { ended: true })).toMatchObject({ items: [{ state: 'ended' }] });
  });

  it('ends by itself, and keeps quiet nobody who heard of the beginning', async () => {
    const shop = await kit.open('shop');
    await until(() => expect(ops.taken).toHaveLength(1));
    const added = await perform('create-silence', { reason: 'known', labels: ['team=shop'], for: '2m' });
    expect(added).toMatchObject({ incidents: [shop.id] });
    await kit.later(61_000);
    await kit.job(alerting, 'alert-reminders');
    expect(ops.taken).toHaveLength(1);
    await kit.later(60_000);
    await kit.job(alerting, 'alert-reminders');
    await until(() => expect(ops.taken.at(-1)?.kind).toBe('reminder'));
    await perform('create-silence', { reason: 'known', everything: true, for: '2m' });
    await kit.ledger.resolve(shop.id, 'fixed');
    await until(() => expect(ops.taken.at(-1)?.kind).toBe('resolved'));
  });

  it('says before it is made what it would have kept quiet in a week, what is open of it, and silences nothing by that', async () => {
    const shop = await kit.open('shop', 'critical');
    const crm = await kit.open('crm', 'warning');
    await kit.ledger.open({
      fingerprint: 'disk',
      resourceId: 'res_shop',
      title: 'A disk of shop is full',
      symptom: 'disk.full',
      severity: 'warning',
      evidence: {},
    });
    await until(() => expect(ops.taken).toHaveLength(3));
    await kit.later(61_000);
    await kit.job(alerting, 'alert-reminders');
    await until(() => expect(ops.taken).toHaveLength(6));
    await kit.ledger.resolve(crm.id, 'fixed');
    await until(() => expect(ops.taken).toHaveLength(7));
    const preview = await perform('silence-preview', { labels: ['team=shop'] });
    expect(preview).toMatchObject({
      quiet: 'team=shop',
      incidents: 2,
      critical: 1,
      alerts: 4,
      messages: 4,
      past: [{ id: shop.id, title: 'shop is down', severity: 'critical', service: 'shop' }, { symptom: 'disk.full' }],
      open: [{ id: shop.id }, { symptom: 'disk.full' }],
      replay:
        'Of the last 7 days this would have silenced 4 messages about 2 incidents, 1 of them critical. Open now of what it matches: 2.',
    });
    expect(await perform('silence-preview', { services: ['crm'] })).toMatchObject({ incidents: 1, open: [] });
    expect(await perform('silence-preview', { everything: 'true' })).toMatchObject({ incidents: 3, messages: 6 });
    await expect(perform('silence-preview', {})).rejects.toMatchObject({
      problems: [{ message: expect.stringContaining('expected what is kept quiet') }],
    });
    expect(await perform('silences', { ended: true })).toEqual({ items: [] });
    expect(await notes(shop.id)).toEqual([]);

    await kit.later(8 * 86_400_000);
    expect(await perform('silence-preview', { services: ['crm'] })).toMatchObject({
      incidents: 0,
      past: [],
      replay:
        'Of the last 7 days this would have silenced 0 messages about 0 incidents. Nothing that it matches is open now.',
    });
  });

  it.each([
    [{ reason: 'why', for: '1h' }, 'expected what is kept quiet'],
    [{ reason: 'why', services: ['a'], everything: true, for: '1h' }, 'expected what is kept quiet'],
    [{ reason: 'why', services: ['a'] }, 'expected how long it lasts'],
    [{ reason: 'why', services: ['a'], until: '2020-01-01T00:00:00Z' }, 'expected an end that is still to come'],
  ])('is refused where it says %j', async (input, message) => {
    await expect(perform('create-silence', input)).rejects.toMatchObject({
      problems: [{ message: expect.stringContaining(message) }],
    });
  });
});
