import { afterEach, describe, expect, it } from 'vitest';
import type { Alert, Message } from '../../core/alert.ts';
import { StewardError } from '../../core/errors.ts';
import type { SecretReference } from '../../core/secrets.ts';
import { APPRISE_KEY, apprise } from '../../testing/services/apprise.ts';
import { discord } from '../../testing/services/discord.ts';
import { gitHost, HOST_TOKEN, REPOSITORY } from '../../testing/services/git-host.ts';
import { APPLICATION_TOKEN, gotify } from '../../testing/services/gotify.ts';
import { ntfy, NTFY_TOKEN, TOPIC } from '../../testing/services/ntfy.ts';
import { PagerDutyEvent, pagerDuty, ROUTING_KEY } from '../../testing/services/pagerduty.ts';
import { type RunningService, type Service, startService, taken } from '../../testing/services/service.ts';
import { slack } from '../../testing/services/slack.ts';
import { teams } from '../../testing/services/teams.ts';
import { BOT_TOKEN, CHAT, telegram } from '../../testing/services/telegram.ts';
import { SIGNING_SECRET, webhook } from '../../testing/services/webhook.ts';
import { createOutbound } from '../outbound/outbound.ts';
import { createPrograms } from '../programs/index.ts';
import { type ChannelSettings, createChannel } from './channels.ts';

const SECRETS: Readonly<Record<string, string>> = {
  PAGERDUTY: `${ROUTING_KEY}\n`,
  TELEGRAM: BOT_TOKEN,
  NTFY: NTFY_TOKEN,
  GOTIFY: `${APPLICATION_TOKEN}\n`,
  HOST: HOST_TOKEN,
  WEBHOOK: SIGNING_SECRET,
  WRONG: 'wrong-credentials',
  WRONG_SIGNATURE: Buffer.from('another secret of 32 bytes ......').toString('base64'),
};
const deps = {
  outbound: createOutbound(),
  programs: createPrograms({ environment: process.env }),
  now: () => new Date(),
  secrets: async (reference: SecretReference) => {
    const value = SECRETS['env' in reference ? reference.env : ''];
    if (value === undefined) throw new StewardError('NOT_FOUND', 'There is no such secret.');
    return value;
  },
};

const opened: Alert = {
  id: 'alr_0123456789',
  kind: 'opened',
  severity: 'critical',
  title: 'The shop is down',
  text: 'service.down since 2026-01-02 03:04:05 UTC\nIt answered 500.',
  incidentId: 'inc_1',
  service: 'shop',
  node: 'one',
  at: new Date('2026-01-02T03:04:05Z'),
  url: 'https://steward.example.org/#incident=inc_1',
};
/** As Steward signs them: incident, expiry, channel, signature. */
const ACKNOWLEDGE_URL = `https://steward.example.org/api/v1/acknowledge/inc_1.t8dx4l.b3Bz.${'Ab_-9'.repeat(8)}xyz`;
const resolved: Alert = { ...opened, id: 'alr_2', kind: 'resolved', title: 'Resolved: The shop is down' };
const { incidentId: _incident, service: _service, ...aboutNothing } = opened;
const test: Alert = { ...aboutNothing, id: 'alr_3', kind: 'test', severity: 'info', title: 'Test of an alert channel' };
/** What a service may be called and what a log may say, where somebody means harm or nobody means anything. */
const hostile: Alert = {
  ...opened,
  title: '@everyone <!channel> **bold** [pay here](https://evil.example)',
  text: [
    '<@123456789> <@&42> @admin #12 `code` _it_ ~no~ ||spoiler|| > quote <b>html</b> {{DATE(2026-01-02T03:04:05Z)}}',
    '```',
    '@octocat closes #1 <img src=x onerror=alert(1)> <https://evil.example|https://bank.example>',
    '`````',
    '# heading \\* <at>Ada</at> &amp; -- \u0000 \uD800',
  ].join('\n'),
  service: '@here',
};
const endless: Alert = { ...opened, title: '🔥'.repeat(100), text: `${'*é🔥'.repeat(740)}\n${'x\n'.repeat(30)}` };

interface Case {
  readonly service: Service;
  readonly settings: (url: string) => ChannelSettings;
  /** The same with credentials that the service does not know. */
  readonly stranger: (url: string) => ChannelSettings;
  /** What the test button says. */
  readonly receipt: string | RegExp;
}

const common = { name: 'ops', minSeverity: 'info', allowPrivate: true } as const;
const elsewhere = (url: string): string => url.replace(/(\/[^/]*)$/, '/nobody-knows-this');
const cases: Readonly<Record<string, () => Case>> = {
  webhook: () => ({
    service: webhook,
    settings: (url) => ({ ...common, kind: 'webhook', url, secret: { env: 'WEBHOOK' } }),
    stranger: (url) => ({ ...common, kind: 'webhook', url, secret: { env: 'WRONG_SIGNATURE' } }),
    receipt: 'HTTP 204',
  }),
  slack: () => ({
    service: slack,
    settings: (url) => ({ ...common, kind: 'slack', url }),
    stranger: (url) => ({ ...common, kind: 'slack', url: elsewhere(url) }),
    receipt: 'HTTP 200: ok',
  }),
  pagerduty: () => ({
    service: pagerDuty,
    settings: (url) => ({ ...common, kind: 'pagerduty', url, routingKey: { env: 'PAGERDUTY' } }),
    stranger: (url) => ({ ...common, kind: 'pagerduty', url, routingKey: { env: 'WRONG' } }),
    receipt: /^HTTP 202: .*Event processed/,
  }),
  discord: () => ({
    service: discord,
    settings: (url) => ({ ...common, kind: 'discord', url }),
    stranger: (url) => ({ ...common, kind: 'discord', url: elsewhere(url) }),
    receipt: 'HTTP 200: message 987654321',
  }),
  teams: () => ({
    service: teams,
    settings: (url) => ({ ...common, kind: 'teams', url }),
    stranger: (url) => ({ ...common, kind: 'teams', url: url.replace(/sig=.*/, 'sig=guessed') }),
    receipt: 'HTTP 202',
  }),
  telegram: () => ({
    service: telegram,
    settings: (url) => ({ ...common, kind: 'telegram', url, token: { env: 'TELEGRAM' }, chat: CHAT }),
    stranger: (url) => ({ ...common, kind: 'telegram', url, token: { env: 'WRONG' }, chat: CHAT }),
    receipt: 'HTTP 200: message 42',
  }),
  ntfy: () => ({
    service: ntfy,
    settings: (url) => ({ ...common, kind: 'ntfy', url, topic: TOPIC, token: { env: 'NTFY' } }),
    stranger: (url) => ({ ...common, kind: 'ntfy', url, topic: TOPIC, token: { env: 'WRONG' } }),
    receipt: 'HTTP 200: message hwQ2YpKdmg',
  }),
  gotify: () => ({
    service: gotify,
    settings: (url) => ({ ...common, kind: 'gotify', url, token: { env: 'GOTIFY' } }),
    stranger: (url) => ({ ...common, kind: 'gotify', url, token: { env: 'WRONG' } }),
    receipt: 'HTTP 200: message 25',
  }),
  apprise: () => ({
    service: apprise,
    settings: (url) => ({ ...common, kind: 'apprise', url, key: APPRISE_KEY, tag: 'ops' }),
    stranger: (url) => ({ ...common, kind: 'apprise', url, key: { env: 'WRONG' } }),
    receipt: /^HTTP 200: .*Sent it on/,
  }),
  'an issue on GitHub': () => ({
    service: gitHost(),
    settings: (url) => ({
      ...common,
      kind: 'issue',
      url,
      repository: REPOSITORY,
      token: { env: 'HOST' },
      labels: ['ops'],
    }),
    stranger: (url) => ({ ...common, kind: 'issue', url, repository: REPOSITORY, token: { env: 'WRONG' }, labels: [] }),
    receipt: /^opened issue 1 \(http/,
  }),
  'an issue on Gitea': () => ({
    service: gitHost({ isGitea: true }),
    settings: (url) => ({ ...common, kind: 'issue', url, repository: REPOSITORY, token: { env: 'HOST' }, labels: [] }),
    stranger: (url) => ({ ...common, kind: 'issue', url, repository: REPOSITORY, token: { env: 'WRONG' }, labels: [] }),
    receipt: /^opened issue 1 \(http/,
  }),
};

const running: RunningService[] = [];
afterEach(async () => {
  for (const service of running.splice(0)) await service.stop();
});

async function start(service: Service): Promise<RunningService> {
  const one = await startService(service);
  running.push(one);
  return one;
}

const send = async (settings: ChannelSettings, alert: Message, withinMs = 10_000): Promise<string> =>
  (await createChannel(settings, deps).channel.deliver(alert, AbortSignal.timeout(withinMs))).receipt;

describe.each(Object.entries(cases))('%s, as its publisher describes it', (name, make) => {
  const { service, settings, stranger, receipt } = make();

  it('takes the test message, and the answer says that it did', async () => {
    const { url, refused } = await start(service);

    await expect(send(settings(url), test)).resolves.toEqual(
      typeof receipt === 'string' ? receipt : expect.stringMatching(receipt),
    );
    expect(refused).toEqual([]);
  });

  it('takes a beginning, which says what is wrong, and an end', async () => {
    const { url, refused, requests } = await start(service);
    await send(settings(url), opened);
    const shown = requests.map((request) => service.shown(request)).join('\n');
    await send(settings(url), resolved);

    expect(refused).toEqual([]);
    expect(shown).toContain('The shop is down');
    expect(shown).toContain('It answered 500.');
    expect(requests.map(({ body }) => body).join('')).not.toContain('wrong-credentials');
  });

  it('has the link by which one acknowledges without signing in, where not everybody reads it', async () => {
    const { url, refused, requests } = await start(service);
    await send(settings(url), { ...opened, acknowledgeUrl: ACKNOWLEDGE_URL });

    expect(refused).toEqual([]);
    const sent = requests.map(({ body }) => body).join('');
    expect(sent.includes(ACKNOWLEDGE_URL)).toBe(!name.startsWith('an issue'));
  });

  it('makes nothing of hostile text but text, and takes the longest there is', async () => {
    const { url, refused, requests } = await start(service);

    await send(settings(url), { ...hostile, id: 'alr_h', incidentId: 'inc_h' });
    await send(settings(url), { ...endless, id: 'alr_e', incidentId: 'inc_e' });

    expect(refused).toEqual([]);
    expect(requests.flatMap((request) => service.markup(request))).toEqual([]);
  });

  it('refuses credentials that it does not know, which trying again does not mend', async () => {
    const { url } = await start(service);

    const failure = send(stranger(url), opened);

    await expect(failure).rejects.toMatchObject({ code: 'PRECONDITION_FAILED', retryable: false });
    await expect(failure).rejects.toThrow(/channel ops/);
  });

  it('is left alone for as long as it asks for with 429', async () => {
    const { url, mood } = await start(service);
    mood({ status: 429, headers: { 'retry-after': '120' } });

    await expect(send(settings(url), opened)).rejects.toMatchObject({
      code: 'RATE_LIMITED',
      retryable: true,
      retryAfterMs: 120_000,
    });
  });

  it.each([500, 502, 503])('is tried again after %i', async (status) => {
    const { url, mood } = await start(service);
    mood({ status, body: '<html>oh no</html>' });

    await expect(send(settings(url), opened)).rejects.toMatchObject({ code: 'UNAVAILABLE', retryable: true });
  });

  it('is tried again where it hangs, and where nobody listens', async () => {
    const { url, mood, stop } = await start(service);
    mood('hung');
    await expect(send(settings(url), opened, 200)).rejects.toMatchObject({ code: 'TIMEOUT', retryable: true });
    await stop();
    running.pop();

    await expect(send(settings(url), opened)).rejects.toMatchObject({ code: 'UNAVAILABLE', retryable: true });
  });

  it('is not called in a private network unless the channel says so', async () => {
    const { url, requests } = await start(service);
    const closed = { ...settings(url), allowPrivate: false } as ChannelSettings;

    await expect(send(closed, opened)).rejects.toMatchObject({ code: 'FORBIDDEN', retryable: false });
    expect(requests).toEqual([]);
  });

  it('is answered without its secrets where it repeats them', async () => {
    const { url, mood } = await start(service);
    const secrets = Object.values(SECRETS).map((secret) => secret.trim());
    mood({ status: 400, body: `what I got: ${secrets.join(' ')}` });

    const failure = await send(settings(url), opened).catch(String);

    const own = JSON.stringify(settings(url)).match(/"env":"(\w+)"/)?.[1];
    expect(failure).toContain('HTTP 400');
    // Nothing but a signature leaves with a webhook.
    if (own !== undefined && own !== 'WEBHOOK') expect(failure).not.toContain(SECRETS[own]?.trim());
  });
});

describe('pagerduty', () => {
  const { settings } = cases['pagerduty']?.() ?? {};
  const all = async (...alerts: readonly Alert[]) => {
    const { url, requests } = await start(pagerDuty);
    for (const alert of alerts) if (settings) await send(settings(url), alert);
    return requests.map((request) => taken(PagerDutyEvent, request));
  };

  it('has one alert for one incident, from its trigger to its end', async () => {
    const events = await all(opened, { ...opened, id: 'alr_9', kind: 'acknowledged' }, resolved);

    expect(events.map(({ event_action: action, dedup_key: key }) => `${action} ${key}`)).toEqual([
      'trigger inc_1',
      'acknowledge inc_1',
      'resolve inc_1',
    ]);
    expect(events[0]).toMatchObject({
      payload: { severity: 'critical', source: 'healthcheck-edge', component: 'shop', custom_details: { node: 'one' } },
    });
  });

  it('keeps no test open, and is not told of a day', async () => {
    const events = await all(test, { ...test, kind: 'digest' });

    expect(events.map(({ event_action: action }) => action)).toEqual(['trigger', 'resolve']);
  });
});

describe.each([
  ['Discord', discord, 'discord', { retry_after: 1.25, message: 'You are being rate limited.', global: false }, 1_250],
  ['Telegram', telegram, 'telegram', { ok: false, error_code: 429, parameters: { retry_after: 7 } }, 7_000],
] as const)('%s', (_name, service, kind, body, expected) => {
  it('says in the body how long it wants to be left alone', async () => {
    const { url, mood } = await start(service);
    mood({ status: 429, body });
    const settings = cases[kind]?.().settings(url);

    await expect(settings && send(settings, opened)).rejects.toMatchObject({ retryAfterMs: expected });
  });
});

describe('apprise', () => {
  it('is tried again where one of the services behind it failed', async () => {
    const { url, mood } = await start(apprise);
    mood({ status: 424, body: { error: 'One or more notifications could not be sent.' } });
    const settings = cases['apprise']?.().settings(url);

    await expect(settings && send(settings, opened)).rejects.toMatchObject({ code: 'UNAVAILABLE', retryable: true });
  });
});

describe.each([
  ['GitHub', false],
  ['Gitea', true],
])('an issue on %s', (_name, isGitea) => {
  const issueCase = (host: ReturnType<typeof gitHost>) =>
    start(host).then((service) => ({
      ...service,
      tell: async (alert: Alert) =>
        await send(
          { ...common, kind: 'issue', url: service.url, repository: REPOSITORY, token: { env: 'HOST' }, labels: [] },
          alert,
        ),
    }));

  it('is one for one incident: found again behind others, closed with it, opened when it is back', async () => {
    const host = gitHost({ isGitea });
    const { tell, refused } = await issueCase(host);
    await tell(opened);
    for (let other = 0; other < 7; other += 1)
      await tell({ ...opened, id: `alr_o${other}`, incidentId: `inc_o${other}` });

    await tell({ ...opened, id: 'alr_4', kind: 'escalated', title: 'Needs a person' });
    await tell(resolved);
    expect(host.issues.filter(({ state }) => state === 'closed').map(({ number }) => number)).toEqual([1]);
    await tell({ ...opened, id: 'alr_5', title: 'It is back' });

    expect(refused).toEqual([]);
    expect(host.issues).toHaveLength(8);
    expect(host.issues[0]).toMatchObject({ title: 'The shop is down', state: 'open' });
    expect(host.issues[0]?.comments).toHaveLength(3);
  });

  it('is told of an alert once, however often it is sent', async () => {
    const host = gitHost({ isGitea });
    const { tell } = await issueCase(host);
    for (let time = 0; time < 3; time += 1) await tell(opened);
    for (let time = 0; time < 3; time += 1) await tell(resolved);
    // One that was on its way for long must not open what is over.
    await tell(opened);

    expect(host.issues).toMatchObject([{ state: 'closed' }]);
    expect(host.issues[0]?.comments).toHaveLength(1);
  });

  it('leaves a test closed, and makes none of the end of what it never heard of', async () => {
    const host = gitHost({ isGitea });
    const { tell } = await issueCase(host);
    await tell(test);

    await expect(tell(resolved)).resolves.toBe('there is no issue about it');
    expect(host.issues).toMatchObject([{ title: 'Test of an alert channel', state: 'closed' }]);
  });

  it('waits where the host refuses for a while with 403', async () => {
    const { tell, mood } = await issueCase(gitHost({ isGitea }));
    mood({ status: 403, headers: { 'retry-after': '60', 'x-ratelimit-remaining': '0' } });

    await expect(tell(opened)).rejects.toMatchObject({ code: 'RATE_LIMITED', retryAfterMs: 60_000 });
  });
});
