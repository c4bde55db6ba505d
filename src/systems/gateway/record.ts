import type { Verdict } from '../../../edge/handlers/gateway/verdict.ts';
import type { AuthTrace, LimitTrace } from '../../../edge/handlers/gateway/trace.ts';
import type { Passed } from './passage.ts';

/** What the access log says of a request. */
export interface AccessRecord {
  readonly id: string;
  readonly at: string;
  readonly address: string;
  readonly method: string;
  readonly path: string;
  readonly route: string | undefined;
  readonly rule: string;
  readonly status: number | undefined;
  readonly user: string | undefined;
  readonly plan: string | undefined;
  readonly target: string | undefined;
  readonly ms: number;
  /** Of these, what the gateway took before it asked the upstream. */
  readonly ownMs: number;
  readonly bytesIn: number | undefined;
  readonly bytesOut: number | undefined;
  readonly retries: number | undefined;
  /** How it ended, where that was not as it should. */
  readonly ended: string | undefined;
  readonly why: string | undefined;
  /** Of what was refused: how it came to that. */
  readonly auth: readonly AuthTrace[] | undefined;
  readonly limits: readonly LimitTrace[] | undefined;
}

/** Of what came to no verdict: nothing is known but this. */
export interface UnjudgedRecord {
  readonly id: string;
  readonly at: string;
  readonly address: string;
  /** Nothing where the request could not be read. */
  readonly method?: string;
  readonly rule: 'malformed' | 'error' | 'anonymous';
  readonly status: number;
  readonly why: string;
  /** Of what was one too many. */
  readonly limits?: readonly LimitTrace[];
}

/** Whether somebody may ask why: it was refused, or would have been in the shadow, or what was asked for did not come. */
export function isToBeExplained(record: AccessRecord | UnjudgedRecord): boolean {
  if (record.rule !== 'forward' && record.rule !== 'preflight') return true;
  const { ended, limits } = record;
  return limits !== undefined || (ended !== undefined && ended !== 'client-gone');
}

export function recordOf(
  verdict: Verdict,
  ended: Partial<Passed> & { readonly status: number | undefined; readonly ms: number; readonly ownMs: number },
): AccessRecord {
  const { trace } = verdict;
  const explained = verdict.is === 'refuse' || trace.limits.some(({ shadow, allowed }) => shadow && !allowed);
  return {
    id: trace.id,
    at: textOf(trace.at),
    address: trace.address,
    method: trace.method,
    path: trace.path,
    route: trace.route,
    rule: trace.rule,
    status: ended.status,
    user: trace.user,
    plan: trace.plan,
    target: ended.target,
    ms: Math.round(ended.ms * 100) / 100,
    ownMs: Math.round(ended.ownMs * 100) / 100,
    bytesIn: ended.bytesIn || undefined,
    bytesOut: ended.bytesOut || undefined,
    retries: ended.retries || undefined,
    ended: ended.is === 'whole' ? undefined : ended.is,
    why: ended.why,
    auth: explained ? trace.auth : undefined,
    limits: explained ? trace.limits : undefined,
  };
}

/** Many requests are of one millisecond. */
let [lastAt, lastText] = [0, new Date(0).toISOString()];

function textOf(at: number): string {
  if (at !== lastAt) [lastAt, lastText] = [at, new Date(at).toISOString()];
  return lastText;
}
