import { createHmac } from 'node:crypto';
import type { PresetName } from '../handlers/webhooks/presets.ts';

/** What a service shows in its own documentation, or where it shows no values, what its documented recipe gives. */
export interface Published {
  readonly of: string;
  readonly preset: PresetName;
  readonly secret: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly at: number;
  readonly signsTime: boolean;
  readonly signedHeaders: readonly [string, ...string[]];
}

const JSON_TYPE = { 'content-type': 'application/json' };
const FORM_TYPE = { 'content-type': 'application/x-www-form-urlencoded' };
const AT = 1_700_000_000;
const EVENT = '{"id":"evt_1NG8Du2eZvKYlo2CUI79vXWy","object":"event","type":"charge.succeeded"}';

const hmac = (secret: string, text: string) => createHmac('sha256', secret).update(text);

export const PUBLISHED: readonly Published[] = [
  {
    of: 'the example of GitHub, whose body is text, sent as a form',
    preset: 'github',
    secret: "It's a Secret to Everybody",
    headers: {
      ...FORM_TYPE,
      'x-hub-signature-256': 'sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17',
      'x-github-delivery': '72d3162e-cc78-11e3-81ab-4c9367dc0958',
    },
    body: 'Hello, World!',
    at: AT,
    signsTime: false,
    signedHeaders: ['x-hub-signature-256'],
  },
  {
    of: 'the example of Slack, a slash command',
    preset: 'slack',
    secret: '8f742231b10e8888abcd99yyyzzz85a5',
    headers: {
      ...FORM_TYPE,
      'x-slack-request-timestamp': '1531420618',
      'x-slack-signature': 'v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503',
    },
    body: 'token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c',
    at: 1_531_420_618,
    signsTime: true,
    signedHeaders: ['x-slack-request-timestamp', 'x-slack-signature'],
  },
  {
    of: 'the example of Standard Webhooks',
    preset: 'standard-webhooks',
    secret: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
    headers: {
      ...JSON_TYPE,
      'webhook-id': 'msg_p5jXN8AQM9LWM0D4loKWxJek',
      'webhook-timestamp': '1614265330',
      'webhook-signature': 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
    },
    body: '{"test": 2432232314}',
    at: 1_614_265_330,
    signsTime: true,
    signedHeaders: ['webhook-id', 'webhook-timestamp', 'webhook-signature'],
  },
  {
    of: "GitLab's signing token, by its documented recipe",
    preset: 'gitlab',
    secret: `whsec_${Buffer.from('a signing token of GitLab').toString('base64')}`,
    headers: {
      ...JSON_TYPE,
      'webhook-id': 'f5e5f430-f57b-4e6e-9fac-d9128cd7232f',
      'webhook-timestamp': String(AT),
      'webhook-signature': `v1,${hmac('a signing token of GitLab', `f5e5f430-f57b-4e6e-9fac-d9128cd7232f.${AT}.{"object_kind":"push"}`).digest('base64')}`,
    },
    body: '{"object_kind":"push"}',
    at: AT,
    signsTime: true,
    signedHeaders: ['webhook-id', 'webhook-timestamp', 'webhook-signature'],
  },
  {
    of: 'Stripe, by its documented recipe',
    preset: 'stripe',
    secret: 'whsec_test_secret',
    headers: {
      ...JSON_TYPE,
      'stripe-signature': `t=${AT},v1=${hmac('whsec_test_secret', `${AT}.${EVENT}`).digest('hex')}`,
    },
    body: EVENT,
    at: AT,
    signsTime: true,
    signedHeaders: ['stripe-signature'],
  },
];
