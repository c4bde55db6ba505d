import { describe, expect, it } from 'vitest';
import type { StewardError } from '../core/errors.ts';
import { parseConfig } from './load.ts';

const CHANNEL = 'alerts:\n  channels: [{ name: ops, kind: slack, url: https://hooks.slack.com/services/x }]\n';

function refusal(text: string): string[] {
  try {
    parseConfig(CHANNEL + text, { file: 'steward.yaml' });
  } catch (thrown) {
    return ((thrown as StewardError).problems ?? []).map(({ path, message }) => `${path}: ${message}`);
  }
  return [];
}

describe('alerts', () => {
  it('takes a configuration without routes as ever', () => {
    const { config } = parseConfig(CHANNEL, { file: 'steward.yaml' });
    expect(config.alerts).toMatchObject({ routes: [] });
    expect(config.alerts.default).toBeUndefined();
  });

  it.each([
    [
      '  routes: [{ channels: [ops, pagr] }]\n',
      "steward.yaml:3:30 alerts.routes.0.channels.1: there is no channel 'pagr'",
    ],
    ['  default: [mail]\n', "steward.yaml:3:13 alerts.default.0: there is no channel 'mail'"],
    [
      '  routes: [{ channels: [ops], when: { from: "8:00", until: "18:00" } }]\n',
      'steward.yaml:3:45 alerts.routes.0.when.from: expected a time of day such as "22:00"',
    ],
    [
      '  routes: [{ channels: [ops], when: { from: "08:00", until: "18:00", zone: Mars } }]\n',
      'steward.yaml:3:76 alerts.routes.0.when.zone: expected a time zone such as Europe/Berlin',
    ],
    [
      '  escalate: { steps: [{ after: 10m, channels: [ops] }, { after: 10m, channels: [ops] }] }\n',
      'steward.yaml:3:65 alerts.escalate.steps.1.after: expected more than the 10m of the step before: each counts from the beginning',
    ],
    [
      '  routes: [{ channels: [], escalate: { steps: [{ after: 10m, channels: [phone] }] } }]\n',
      "steward.yaml:3:73 alerts.routes.0.escalate.steps.0.channels.0: there is no channel 'phone'",
    ],
    [
      '  routes: [{ channels: [ops], quiet: { from: "07:00", until: "07:00" } }]\n',
      'steward.yaml:3:38 alerts.routes.0.quiet: expected hours that end: what waits would never be told',
    ],
    [
      '  routes: [{ channels: [], successes: { tell: now } }]\n',
      'steward.yaml:3:39 alerts.routes.0.successes.channels: expected who is told of what went well: the route has no channels of its own',
    ],
    [
      '  routes: [{ channels: [ops], successes: { tell: digest, channels: [mail] } }]\n',
      "steward.yaml:3:69 alerts.routes.0.successes.channels.0: there is no channel 'mail'",
    ],
    [
      '  routes: [{ channels: [ops], successes: { tell: never, at: "07:00" } }]\n',
      'steward.yaml:3:57 alerts.routes.0.successes.at: is not known: expected tell',
    ],
    [
      '  routes: [{ channels: [ops], severity: [critical] }]\n',
      'steward.yaml:3:31 alerts.routes.0.severity: is not known: did you mean severities?',
    ],
  ])('says of%s what is wrong, and where', (text, problem) => {
    expect(refusal(text)).toEqual([problem]);
  });
});
