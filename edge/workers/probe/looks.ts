import { probeHttp, type ProbeTimes, type Seen } from '../../handlers/probe/http.ts';
import type { HttpTarget } from '../../handlers/probe/http-target.ts';
import { codeOf, type PlaceCheck, type PlaceResult, type PlaceTarget } from '../../handlers/probe/messages.ts';
import { probeTcp, type TcpTarget } from './tcp.ts';

export const KINDS = ['http', 'tcp'];

/** The platform lets six wait for an answer, and keeps a seventh back while its time already runs. */
const AT_ONCE = 5;
/** Another round begins then. */
const LONGEST_MS = 4 * 60_000;
/** Itself, and what it may be sent on to. */
const REDIRECTED = 6;

interface Means {
  readonly userAgent: string;
  /** So many requests may be made. */
  readonly requests: number;
}

/** Looks at each once, a few at a time. What there is no request or no time left for, it says nothing about: that is no failure of who would have been asked. */
export async function lookAt(checks: readonly PlaceCheck[], { userAgent, requests }: Means): Promise<PlaceResult[]> {
  const began = performance.now();
  const waiting = checks.entries();
  const results: PlaceResult[] = [];
  let left = requests;

  function excuse(target: PlaceTarget): string | undefined {
    if (!KINDS.includes(target.kind)) return `a place of this kind does ${KINDS.join(' and ')}, and not ${target.kind}`;
    if (performance.now() - began > LONGEST_MS) return 'what was asked before it took all the time of this round';
    const cost = costOf(target);
    if (cost > left) return `this worker makes ${requests} requests a round, by its SUBREQUESTS, and had no more left`;
    left -= cost;
    return undefined;
  }

  async function some(): Promise<void> {
    for (const [at, check] of waiting) {
      const why = excuse(check.target);
      results[at] = await look(check, (times) =>
        why === undefined ? ask(check.target, times, userAgent) : cannot(why),
      );
    }
  }

  await Promise.all(Array.from({ length: AT_ONCE }, some));
  return results;
}

async function look(
  { id, timeoutMs, slowMs }: PlaceCheck,
  see: (times: ProbeTimes) => Promise<Seen> | Seen,
): Promise<PlaceResult> {
  const at = new Date().toISOString();
  const { state, latencyMs, message, detail } = await see({ timeoutMs, slowMs });
  return {
    id: crypto.randomUUID(),
    check: id,
    at,
    state,
    latencyMs,
    message,
    ...codeOf(detail),
  };
}

async function ask(target: PlaceTarget, times: ProbeTimes, userAgent: string): Promise<Seen> {
  if (target.kind === 'tcp') return await probeTcp(target as unknown as TcpTarget, times);
  const asked = target as unknown as HttpTarget;
  return await probeHttp({ ...asked, headers: { 'user-agent': userAgent, ...asked.headers } }, times);
}

function costOf(target: PlaceTarget): number {
  return target['followRedirects'] === true ? REDIRECTED : 1;
}

function cannot(why: string): Seen {
  return { state: 'unknown', latencyMs: 0, message: `cannot: ${why}`, depth: 'connect', detail: {} };
}
