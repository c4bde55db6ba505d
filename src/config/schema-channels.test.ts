import { describe, expect, it } from 'vitest';
import { redactConfig } from './redact-config.ts';
import { Config } from './schema.ts';

const token = { env: 'TOKEN' };
const ONE_OF_EACH = [
  {
    name: 'hook',
    kind: 'webhook',
    url: 'https://example.org/secret-hook',
    secret: token,
    headers: { 'x-team': 'hidden-1' },
  },
  { name: 'chat', kind: 'slack', url: 'https://hooks.slack.com/services/hidden-2' },
  {
    name: 'mail',
    kind: 'email',
    host: 'mail.example.org',
    from: 'a@example.org',
    to: ['b@example.org'],
    fallback: 'chat',
  },
  { name: 'pager', kind: 'pagerduty', routingKey: token, fallback: 'mail' },
  { name: 'guild', kind: 'discord', url: 'https://discord.com/api/webhooks/1/hidden-3' },
  { name: 'team', kind: 'teams', url: 'https://example.org/workflows?sig=hidden-4' },
  { name: 'bot', kind: 'telegram', token, chat: -1001234567890, thread: 7 },
  { name: 'push', kind: 'ntfy', topic: 'hidden-5' },
  { name: 'own-push', kind: 'gotify', url: 'https://push.example.org', token },
  { name: 'many', kind: 'apprise', url: 'https://apprise.example.org', key: 'hidden-6' },
  { name: 'own', kind: 'script', program: '/usr/local/bin/custom-alert.sh' },
  { name: 'work', kind: 'issue', repository: 'example/operations', token },
];
const problems = (...channels: readonly object[]): string[] =>
  (Config.safeParse({ alerts: { channels } }).error?.issues ?? []).map(
    ({ path, message }) => `${path.join('.')}: ${message}`,
  );

describe('alerts.channels', () => {
  it('takes each kind with no more than it needs', () => {
    const { channels } = Config.parse({ alerts: { channels: ONE_OF_EACH } }).alerts;

    expect(Object.fromEntries(channels.map(({ name, minSeverity }) => [name, minSeverity]))).toMatchObject({
      chat: 'info',
      pager: 'critical',
      work: 'warning',
    });
  });

  it('is shown without what is a secret with many products', () => {
    const shown = JSON.stringify(redactConfig(Config.parse({ alerts: { channels: ONE_OF_EACH } })));

    expect(shown).toContain('custom-alert.sh');
    expect(shown).toContain('https://discord.com/');
    expect(shown).not.toMatch(/hidden-\d|secret-hook/);
  });

  it('names a fallback that is there, and another one', () => {
    const [, chat] = ONE_OF_EACH;

    expect(problems({ ...chat, fallback: 'pager' })).toEqual([
      "alerts.channels.0.fallback: there is no channel 'pager'",
    ]);
    expect(problems({ ...chat, fallback: 'chat' })).toEqual([
      'alerts.channels.0.fallback: a channel cannot stand in for itself',
    ]);
  });

  it.each([
    [{ name: 'x', kind: 'script', program: 'custom-alert.sh' }, /expected an absolute path/],
    [{ name: 'x', kind: 'script', program: '/bin/true', timeout: '5m' }, /between 1s and 45s/],
    [{ name: 'x', kind: 'telegram', token: '123:abc', chat: 1 }, /expected where the secret is/],
    [{ name: 'x', kind: 'telegram', token, chat: 'ops' }, /expected the id of a chat/],
    [{ name: 'x', kind: 'issue', repository: 'operations', token }, /expected owner\/name/],
    [{ name: 'x', kind: 'ntfy', topic: 'a b' }, /expected a topic/],
  ])('refuses %j', (channel, expected) => {
    expect(problems(channel).join('\n')).toMatch(expected);
  });
});
