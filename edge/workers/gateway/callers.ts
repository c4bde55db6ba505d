import { waitUntil } from 'cloudflare:workers';
import { webDigests } from '../../handlers/digests.ts';
import { createCallers } from '../../handlers/gateway/callers.ts';

/** Who callers are, as the isolate remembers it: asked for with the signal that the handlers bring, redirects not followed. */
export const callers = createCallers({
  digests: webDigests,
  outlive: waitUntil,
  async fetchKeys(url, signal) {
    const answer = await fetch(url, { headers: { accept: 'application/json' }, redirect: 'manual', signal });
    if (answer.status !== 200) throw new Error(`it answered ${answer.status}`);
    return await answer.json();
  },
  async validate(url, token, signal) {
    const answer = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'application/json' },
      body: JSON.stringify({ token }),
      redirect: 'manual',
      signal,
    });
    const body: unknown = await answer.json().catch(() => undefined);
    return { status: answer.status, body };
  },
});
