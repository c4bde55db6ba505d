import { describe, expect, it } from 'vitest';
import { judge } from '../../../edge/handlers/webhooks/receive.ts';
import { type HookType, readyType } from '../../../edge/handlers/webhooks/types.ts';
import { serverDigests } from '../server-digests.ts';
import { signedHeaders } from './signed.ts';

const AT = new Date('2026-05-04T03:02:01Z');
const BODY = '{"id":"evt_1","event_id":"Ev1"}';

describe('a webhook that Steward signs itself', () => {
  it.each<[HookType['preset'], string]>([
    ['steward', 'secret'],
    ['github', 'secret'],
    ['gitlab', 'secret'],
    ['gitlab', 'whsec_c2VjcmV0'],
    ['stripe', 'secret'],
    ['slack', 'secret'],
    ['standard-webhooks', 'whsec_c2VjcmV0'],
  ])('is taken as one of %s with the secret %s, and not with another', async (preset, secret) => {
    const headers: Record<string, string> = {
      'content-type': 'application/json',
      ...signedHeaders(preset, secret, { body: BODY, id: 'd-1', at: AT }),
    };
    const asked = (known: string) =>
      judge(
        { method: 'POST', path: '/hook', headers: (name) => headers[name], address: '192.0.2.1' },
        new TextEncoder().encode(BODY),
        () =>
          readyType({ preset, secrets: [known], maxBytes: 1_000, toleranceSeconds: 300, repeats: 'id' }, serverDigests),
        { digests: serverDigests, now: AT.getTime(), newId: () => '00000000-0000-4000-8000-000000000000' },
      );
    expect(await asked(secret)).toMatchObject({ is: 'accepted' });
    expect(await asked('whsec_b3RoZXI=')).toMatchObject({ is: 'refused', status: 401 });
  });
});
