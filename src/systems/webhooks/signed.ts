import { createHmac } from 'node:crypto';
import { presetOf } from '../../../edge/handlers/webhooks/presets.ts';
import type { HookType } from '../../../edge/handlers/webhooks/types.ts';

export interface ToSign {
  readonly body: string;
  /** What the sender calls it. */
  readonly id: string;
  readonly at: Date;
}

/** The headers with which its sender would send it. */
export function signedHeaders(
  preset: HookType['preset'],
  secret: string,
  { body, id, at }: ToSign,
): Readonly<Record<string, string>> {
  const seconds = String(Math.floor(at.getTime() / 1000));
  const tag = (text: string, encoding: 'hex' | 'base64'): string =>
    createHmac('sha256', presetOf(preset).secret(secret)).update(text).digest(encoding);
  const standard = {
    'webhook-id': id,
    'webhook-timestamp': seconds,
    'webhook-signature': `v1,${tag(`${id}.${seconds}.${body}`, 'base64')}`,
  };
  switch (preset) {
    case 'steward':
      return { 'x-webhook-id': id, 'x-webhook-signature': tag(body, 'base64') };
    case 'github':
      return { 'x-github-delivery': id, 'x-hub-signature-256': `sha256=${tag(body, 'hex')}` };
    case 'gitlab':
      return secret.startsWith('whsec_') ? standard : { 'x-gitlab-token': secret, 'idempotency-key': id };
    case 'stripe':
      return { 'stripe-signature': `t=${seconds},v1=${tag(`${seconds}.${body}`, 'hex')}` };
    case 'slack':
      return {
        'x-slack-request-timestamp': seconds,
        'x-slack-signature': `v0=${tag(`v0:${seconds}:${body}`, 'hex')}`,
      };
    case 'standard-webhooks':
      return standard;
  }
}
