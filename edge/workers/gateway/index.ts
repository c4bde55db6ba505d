// The gateway as a Cloudflare Worker: the decisions of the server, with counters that all its places share.
import { waitUntil } from 'cloudflare:workers';
import { judge } from '../../handlers/gateway/judge.ts';
import { uncounted } from '../../handlers/gateway/limits.ts';
import type { Verdict } from '../../handlers/gateway/verdict.ts';
import { callers } from './callers.ts';
import { sharedCounters } from './counter.ts';
import { type Env, LIMITS, type Ready, readyOf } from './env.ts';
import { failed, pass } from './pass.ts';

export { Counter } from './counter.ts';

export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    const id = crypto.randomUUID();
    let ready: Ready | undefined;
    let verdict: Verdict;
    try {
      ready = readyOf(env);
      const judging = judged(request, ready, env, id);
      // To its end also where the client leaves: others wait for what is found out, and what is not so is given back.
      waitUntil(judging);
      verdict = await judging;
    } catch (thrown) {
      // Without a count nobody comes in: a limit that is off when it is needed is none.
      console.error(`nothing could be decided about ${id}: ${String(thrown)}`);
      const headers = { ...uncounted(ready?.routes.limits ?? LIMITS), 'x-request-id': id, 'cache-control': 'no-store' };
      return Response.json({ error: 'The gateway cannot decide at the moment.', id }, { status: 503, headers });
    }
    if (verdict.is !== 'forward') return refusal(verdict);
    const origin = ready.upstreams[verdict.upstream];
    return origin === undefined
      ? failed(verdict, 503, 'The service is not available.')
      : await pass(request, verdict, origin);
  },
};

async function judged(request: Request, { routes }: Ready, env: Env, id: string): Promise<Verdict> {
  const { pathname, search, host, protocol } = new URL(request.url);
  return await judge(
    {
      method: request.method,
      target: `${pathname}${search}`,
      host,
      scheme: protocol === 'https:' ? 'https' : 'http',
      header: (name) => request.headers.get(name) ?? undefined,
      // The platform sets it itself, whatever the client says.
      address: request.headers.get('cf-connecting-ip') ?? '',
    },
    routes,
    { counters: sharedCounters(env.COUNTERS), callers, now: Date.now(), newId: () => id },
  );
}

function refusal(verdict: Exclude<Verdict, { readonly is: 'forward' }>): Response {
  const { id } = verdict.trace;
  const headers = { ...verdict.headers, 'x-request-id': id };
  if (verdict.is === 'answer') return new Response(null, { status: verdict.status, headers });
  console.log(JSON.stringify(verdict.trace));
  return Response.json({ error: verdict.message, id }, { status: verdict.status, headers });
}
