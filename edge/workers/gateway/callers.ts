import { waitUntil } from 'cloudflare:workers';
import { webDigests } from '../../handlers/digests.ts';
import { createCallers } from '../../handlers/gateway/callers.ts';

const ASKED_ITSELF = { redirect: 'manual', cache: 'no-store' } as const;

/** Who callers are, as the isolate remembers it: asked for with the signal that the handlers bring, redirects not followed, caches not asked. */
export const callers = createCallers({
  digests: webDigests,
  outlive: waitUntil,
  async fetchKeys(url, signal) {
    const answer = await fetch(url, { ...ASKED_ITSELF, headers: { accept: 'application/json' }, signal });
    if (answer.status !== 200) throw new Error(`it answered ${answer.status}`);
    return await answer.json();
  },
  async validate(url, token, signal) {
    const answer = await fetch(url, {
      ...ASKED_ITSELF,
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'application/json' },
      body: JSON.stringify({ token }),
      signal,
    });
    const body: unknown = await answer.json().catch(() => undefined);
    return { status: answer.status, body };
  },
});
