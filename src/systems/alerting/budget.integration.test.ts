import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Actor, Role } from '../../core/actor.ts';
import type { AnyOperation, Call } from '../../core/operation.ts';
import { parseInput } from '../../surfaces/input.ts';
import { type AlertingKit, alertingKit, fakeChannel } from '../../testing/alerting.ts';
import type { Alerting } from './index.ts';

const until = (check: () => unknown) => vi.waitFor(check, { timeout: 30_000, interval: 20 });
const DAY_MS = 86_400_000;
const ada: Actor = { kind: 'user', id: 'u1', name: 'ada', role: 'operator' };

describe('how often people are called, and whether it was worth it', () => {
  let kit: AlertingKit;
  let pager: ReturnType<typeof fakeChannel>;
  let alerting: Alerting;
  beforeEach(async () => {
    kit = await alertingKit([
      { id: 'res_crm', name: 'crm', labels: {} },
      { id: 'res_shop', name: 'shop', labels: {} },
    ]);
    pager = fakeChannel('pager');
    alerting = await kit.start([pager], { budget: { perWeek: 4, floor: 0.5, judged: 3 } });
  });
  afterEach(() => kit.drop());

  // oxlint-disable-next-line typescript/no-explicit-any -- answers of several operations, as they are
  const perform = async (name: string, input: object = {}, role: Role = 'operator'): Promise<any> => {
    const operation = alerting.operations.find((each) => each.name === name) as AnyOperation;
    const call: Call = { actor: { ...ada, role }, now: kit.now(), from: 'local', requestId: 'r' };
    return await operation.handle(parseInput(operation.input, input), call);
  };

  let count = 0;
  async function disk(service: string, then: 'acknowledged' | 'over' | 'left', severity = 'warning') {
    count += 1;
    const before = pager.taken.length;
    const incident = await kit.ledger.open({
      fingerprint: `disk.full:${service}:${count}`,
      resourceId: `res_${service}`,
      title: `A disk of ${service} is full, ${count}`,
      symptom: 'disk.full',
      severity: severity as 'warning',
      evidence: {},
    });
    await until(() => expect(pager.taken.length).toBeGreaterThan(before));
    if (then === 'acknowledged') await kit.ledger.acknowledge(incident.id, ada);
    if (then !== 'left') await kit.ledger.resolve(incident.id, 'It is over.');
    return incident;
  }
  const settled = (messages: number) => until(() => expect(pager.taken).toHaveLength(messages));

  it('is counted by channel, and by rule from what they did about it', async () => {
    for (const then of ['over', 'over', 'acknowledged', 'left'] as const) await disk('crm', then);
    await disk('shop', 'acknowledged');
    // Five beginnings and four ends.
    await settled(9);
    const budget = await perform('alert-budget');
    expect(budget).toMatchObject({
      channels: [{ channel: 'pager', pages: 5, lastWeek: 5, overBudget: true }],
      rules: [
        { rule: 'disk.full of crm', pages: 4, acted: 1, ignored: 2, waiting: 1, precision: 0.33, underFloor: true },
        { rule: 'disk.full of shop', pages: 1, acted: 1, ignored: 0, waiting: 0, precision: 1, underFloor: false },
      ],
    });
    await kit.later(DAY_MS);
    expect((await perform('alert-budget')).rules[0]).toMatchObject({ ignored: 3, waiting: 0, precision: 0.25 });
  });

  it('brings a proposal with its replay, which nobody but a person puts in force', async () => {
    for (const then of ['over', 'over', 'acknowledged'] as const) await disk('crm', then);
    await disk('shop', 'acknowledged');
    await settled(8);
    await kit.job(alerting, 'alert-proposals');
    const { items } = await perform('alert-proposals');
    expect(items).toMatchObject([
      {
        rule: 'disk.full of crm',
        state: 'proposed',
        replay: 'Of the last 30 days this would have silenced 3 pages, of which 1 was acted on.',
      },
    ]);
    await disk('crm', 'left');
    expect(alerting.operations.find(({ name }) => name === 'accept-alert-proposal')).toMatchObject({ noAgents: true });

    const id = items[0].id as string;
    expect(await perform('accept-alert-proposal', { id })).toMatchObject({ state: 'accepted', decidedBy: 'ada' });
    const told = pager.taken.length;
    const quiet = await kit.ledger.open({
      fingerprint: 'disk.full:crm:quiet',
      resourceId: 'res_crm',
      title: 'A disk of crm is full again',
      symptom: 'disk.full',
      severity: 'warning',
      evidence: {},
    });
    await until(async () =>
      expect((await kit.ledger.timeline(quiet.id)).map(({ message }) => message)).toContainEqual(
        expect.stringContaining('ada accepted that for disk.full of crm'),
      ),
    );
    // Another service, and something worse, are told as ever.
    await disk('shop', 'left');
    await disk('crm', 'left', 'critical');
    expect(pager.taken.slice(told).map(({ title }) => title)).toEqual([
      expect.stringContaining('shop'),
      expect.stringContaining('crm'),
    ]);
    await expect(perform('accept-alert-proposal', { id })).rejects.toMatchObject({ code: 'PRECONDITION_FAILED' });

    await perform('decline-alert-proposal', { id });
    await disk('crm', 'left');
    await kit.job(alerting, 'alert-proposals');
    expect((await perform('alert-proposals')).items).toMatchObject([{ id, state: 'declined' }]);
    await kit.later(91 * DAY_MS);
    await kit.job(alerting, 'alert-cleanup');
    await kit.job(alerting, 'alert-proposals');
    expect((await perform('alert-proposals')).items).toEqual([]);
  });

  it('makes nothing critical quiet unseen', async () => {
    for (let times = 0; times < 3; times += 1) await disk('crm', 'over', 'critical');
    await settled(6);
    await kit.job(alerting, 'alert-proposals');
    const [{ id }] = (await perform('alert-proposals')).items;
    await expect(perform('accept-alert-proposal', { id })).rejects.toMatchObject({
      code: 'PRECONDITION_FAILED',
      message: expect.stringContaining('would have silenced 3 pages, of which 0 were acted on'),
    });
    expect(await perform('accept-alert-proposal', { id, critical: true })).toMatchObject({ state: 'accepted' });
    await expect(perform('accept-alert-proposal', { id: 'prp_x' })).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });
});
