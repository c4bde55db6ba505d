import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { systemActor } from '../../core/actor.ts';
import { StewardError } from '../../core/errors.ts';
import { type AlertingKit, alertingKit, fakeChannel } from '../../testing/alerting.ts';
import { defined } from '../../testing/defined.ts';
import type { Alerting } from './index.ts';

const until = (check: () => unknown) => vi.waitFor(check, { timeout: 15_000, interval: 20 });

describe('the weekly test of alert delivery', () => {
  let kit: AlertingKit;
  beforeEach(async () => {
    kit = await alertingKit();
  });
  afterEach(() => kit.drop());

  const run = async (alerting: Alerting, name: string, now: Date): Promise<void> =>
    await defined(alerting.jobs.find((job) => job.name === name)).run({ now, signal: new AbortController().signal });
  const ask = async (alerting: Alerting, name: string, input: object): Promise<unknown> =>
    await defined(alerting.operations.find((each) => each.name === name)).handle(input, {
      actor: systemActor('test'),
      now: kit.now(),
      from: 'local',
      requestId: 'r',
    });
  const open = async (): Promise<string[]> => (await kit.ledger.unresolved()).map(({ title }) => title);
  const sent = async (): Promise<string[]> =>
    (
      await kit.database.store.pool.query(
        `select d.channel, a.kind, d.state, d.receipt from alert_deliveries d join alerts a on a.id = d.alert_id
          where a.kind = 'test' order by 1`,
      )
    ).rows.map(({ channel, state, receipt }) => `${channel} ${state} ${receipt}`);

  it('goes once by each channel, whatever that takes otherwise, and the receipt is the proof', async () => {
    const [mail, pager] = [fakeChannel('mail', 'info', 'email'), fakeChannel('pager', 'critical')];
    const alerting = await kit.start([mail, pager], {});
    const at = kit.now();
    await run(alerting, 'alert-delivery-test', at);
    await run(alerting, 'alert-delivery-test', at);
    await until(async () =>
      expect(await sent()).toEqual(['mail delivered mail took it', 'pager delivered pager took it']),
    );
    expect([mail.taken.length, pager.taken.length]).toEqual([1, 1]);
    await run(alerting, 'alert-delivery-proof', kit.now());
    expect(await open()).toEqual([]);
    expect(await ask(alerting, 'channels', {})).toMatchObject({
      items: [
        { name: 'mail', state: 'working', lastReceipt: 'mail took it' },
        { name: 'pager', state: 'working', lastReceipt: 'pager took it' },
      ],
    });
  });

  it('that a channel refuses is an incident, until it takes something', async () => {
    const [mail, ops] = [fakeChannel('mail', 'info', 'email'), fakeChannel('ops', 'critical')];
    mail.set(async () => {
      throw new StewardError('PRECONDITION_FAILED', 'The mail server refused the password.');
    });
    const alerting = await kit.start([mail, ops], {});
    await run(alerting, 'alert-delivery-test', kit.now());
    await until(async () => expect(await sent()).toEqual(['mail failed null', 'ops delivered ops took it']));
    await run(alerting, 'alert-delivery-proof', kit.now());
    expect(await open()).toEqual(['Alert channel mail did not take its test']);
    const { rows } = await kit.database.store.pool.query<{ evidence: string }>(
      `select evidence::text as evidence from incidents`,
    );
    expect(rows[0]?.evidence).toContain('The mail server refused the password.');

    mail.set(async () => undefined);
    await ask(alerting, 'test-channel', { channel: 'mail' });
    await run(alerting, 'alert-delivery-proof', kit.now());
    expect(await open()).toEqual([]);
  });

  it('that nobody took in a quarter of an hour is an incident, which ends with the channel', async () => {
    const mail = fakeChannel('mail', 'info', 'email');
    mail.set(async () => {
      throw new StewardError('UNAVAILABLE', 'The mail server does not answer.', { retryAfterMs: 3_600_000 });
    });
    let channels = [mail];
    const alerting = await kit.start([mail], {}, { channels: () => channels.map(({ route }) => route) });
    await run(alerting, 'alert-delivery-test', kit.now());
    await until(() => expect(mail.tried).toHaveLength(1));
    await run(alerting, 'alert-delivery-proof', kit.now());
    expect(await open()).toEqual([]);
    const later = new Date(kit.now().getTime() + 16 * 60_000);
    await run(alerting, 'alert-delivery-proof', later);
    expect(await open()).toEqual(['Alert channel mail did not take its test']);
    channels = [];
    await run(alerting, 'alert-delivery-proof', later);
    expect(await open()).toEqual([]);
  });

  it('is left out where the configuration says so', async () => {
    const mail = fakeChannel('mail');
    const alerting = await kit.start([mail], { weeklyTest: false });
    await run(alerting, 'alert-delivery-test', kit.now());
    expect(await sent()).toEqual([]);
  });

  it('is not all that is mailed: what is to be read goes to e-mail alone, and once', async () => {
    const [mail, ops] = [fakeChannel('mail', 'critical', 'email'), fakeChannel('ops')];
    const alerting = await kit.start([mail, ops], {});
    const attachments = [{ fileName: 'report.html', contentType: 'text/html', content: '<p>\u0000Well</p>' }];
    const report = {
      key: 'pr_1',
      at: kit.now(),
      title: 'Performance of n1',
      text: 'All is well.',
      path: '/api/v1/x',
      attachments,
    };
    await alerting.mail(report);
    await alerting.mail(report);
    await until(() => expect(mail.titles()).toEqual(['digest: Performance of n1']));
    expect(ops.taken).toEqual([]);
    // The store takes no character that is none.
    expect(mail.taken).toMatchObject([
      {
        attachments: [
          { fileName: 'report.html', contentType: 'text/html', content: expect.stringMatching(/^<p>.?Well<\/p>$/) },
        ],
      },
    ]);
  });
});
