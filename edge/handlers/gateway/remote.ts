import { withoutSecrets } from '../urls.ts';
import type { Finding, Method } from './method.ts';
import type { RemoteAuth } from './routes.ts';
import { bearer, userOf } from './tokens.ts';
import { isLost, outcomeOf, type Underway } from './underway.ts';

export type Validate = (
  url: string,
  token: string,
  signal: AbortSignal,
) => Promise<{ readonly status: number; readonly body: unknown }>;

const TOKEN = /^[A-Za-z0-9._~+/=-]{1,8192}$/;
const LONGEST_BELIEVED_MS = 60_000;
/** So many failures in a row, and nobody is asked for a while; then one is, and decides. */
const FAILURES = 5;
const OPEN_MS = 10_000;
const MOST_AT_ONCE = 100;
/** What it says where it does not like the token. Anything else that is not a yes is its own trouble. */
const NO = new Set([400, 401, 403, 422]);

/** Somebody else says who it is. When in doubt nobody comes in. */
export function remoteMethod(auth: RemoteAuth, validate: Validate): Method {
  const asking = new Map<string, Underway<Finding>>();
  const longestMs = auth.timeoutMs + 1_000;
  let failures = 0;
  let openUntil = Number.NEGATIVE_INFINITY;

  async function ask(token: string, now: number): Promise<Finding> {
    try {
      const answer = await validate(auth.url, token, AbortSignal.timeout(auth.timeoutMs));
      const finding = read(answer, auth, now);
      if (finding) {
        failures = 0;
        openUntil = Number.NEGATIVE_INFINITY;
        return finding;
      }
    } catch {
      // Whoever asks logs why; here it is one failure more.
    }
    failures += 1;
    if (failures >= FAILURES) openUntil = now + OPEN_MS;
    return NO_ANSWER;
  }

  return {
    by: 'remote',
    of: withoutSecrets(auth.url),
    credential: bearer,
    version: () => 0,
    async verify(token, now) {
      if (!TOKEN.test(token)) return { outcome: 'bad', why: 'no token looks like that' };
      for (const [one, underway] of asking) if (isLost(underway, now, longestMs)) asking.delete(one);
      const already = asking.get(token);
      if (already) return (await outcomeOf(already, longestMs)) ?? NO_ANSWER;
      // A clock that was put back must not keep it shut.
      if (now < openUntil && openUntil - now <= OPEN_MS)
        return { outcome: 'unavailable', why: 'not asked: it failed too often' };
      if (asking.size >= MOST_AT_ONCE) return { outcome: 'unavailable', why: 'not asked: too many are waiting' };
      // Half open: the others wait for what this one finds.
      if (failures >= FAILURES) openUntil = now + OPEN_MS;
      const own = { since: now, work: ask(token, now) };
      asking.set(token, own);
      try {
        return await own.work;
      } finally {
        if (asking.get(token) === own) asking.delete(token);
      }
    },
  };
}

const NO_ANSWER: Finding = { outcome: 'unavailable', why: 'who validates tokens does not answer as agreed' };

function read({ status, body }: Awaited<ReturnType<Validate>>, auth: RemoteAuth, now: number): Finding | undefined {
  const no: Finding = { outcome: 'bad', why: `refused with ${status}`, from: now, until: now + auth.badMs };
  if (NO.has(status)) return no;
  if (status !== 200 || typeof body !== 'object' || body === null) return undefined;
  const { user_id: id, plan, valid } = body as Readonly<Record<string, unknown>>;
  if (valid === false) return no;
  const user = userOf(id);
  if (user === undefined) return undefined;
  return {
    outcome: 'good',
    why: 'validated',
    caller: { user, plan: typeof plan === 'string' ? plan : undefined, scopes: [] },
    from: now,
    until: now + Math.min(auth.goodMs, LONGEST_BELIEVED_MS),
  };
}
