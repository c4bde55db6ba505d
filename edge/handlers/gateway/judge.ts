// What becomes of a request to the gateway: nothing here reads a clock, a socket or a disk.
import { after, type Soon } from '../soon.ts';
import type { Callers, Identified } from './callers.ts';
import { isPreflight, preflightHeaders, readableBy } from './cors.ts';
import type { Counters } from './counters.ts';
import { answerHeaders, type Known, requestHeaders, targetOf } from './forward.ts';
import { type AddressRule, atOnce, networkOf, ofAddress, ofUser, planOf, type Spent } from './limits.ts';
import type { ReadyRoute, ReadyRoutes } from './ready.ts';
import type { Auth, Limits, Route } from './routes.ts';
import { hostOf, readTarget, type Target } from './target.ts';
import type { AuthTrace, LimitTrace, Rule, Trace } from './trace.ts';
import type { Answer, Asked, Forward, HeaderValues, Refuse, Verdict } from './verdict.ts';

export interface Means {
  readonly counters: Counters;
  readonly callers: Callers;
  /** Unix milliseconds. */
  readonly now: number;
  readonly newId: () => string;
}

/** At once where all that it takes is known here: a token seen before, a count that has room. */
export function judge(asked: Asked, routes: ReadyRoutes, means: Means): Soon<Verdict> {
  const target = readTarget(asked.target);
  const host = hostOf(asked.host);
  const request = { asked, means, id: means.newId(), path: target?.path ?? '' };
  const off: Judging = { ...request, ready: undefined };
  if (!target) return turnedAway(off, routes.limits, 'target');
  if (host === undefined || (target.host !== undefined && hostOf(target.host) !== host))
    return turnedAway(off, routes.limits, 'host');

  if (isPreflight(asked.method, asked.header)) {
    const meant = routes.find(host, target.path, asked.header('access-control-request-method') ?? '');
    if ('ready' in meant && meant.ready.route.cors)
      return preflight({ ...request, ready: meant.ready }, meant.ready.route);
  }
  const found = routes.find(host, target.path, asked.method);
  if (found.is === 'none') return turnedAway(off, routes.limits, 'route');
  if (found.is === 'ambiguous') return turnedAway(off, routes.limits, 'target');
  const { ready } = found;
  const on = { ...request, ready };
  if (found.is === 'method') return turnedAway(on, ready.route.limits, 'method', { allow: found.allow.join(', ') });
  return admitted(on, target, host);
}

/** What is asked, and the route that takes it. */
interface Judging {
  readonly asked: Asked;
  readonly means: Means;
  readonly id: string;
  readonly path: string;
  readonly ready: ReadyRoute | undefined;
}

type Admitting = Judging & { readonly ready: ReadyRoute };

/** What was found out; it ends up in the trace. */
interface Seen {
  readonly auth: readonly AuthTrace[];
  readonly limits: readonly LimitTrace[];
  readonly user: string | undefined;
  readonly plan: string | undefined;
}

function admitted(judging: Admitting, target: Target, host: string): Soon<Verdict> {
  const { asked, means, ready } = judging;
  const { auth, limits } = ready.route;
  const ofThisAddress = (rule: AddressRule, count = true): Soon<Spent> =>
    ofAddress(rule, asked.address, { limits, ready, means, count });

  const identified = means.callers.identify(auth, {
    header: asked.header,
    counts: {
      of: networkOf(asked.address),
      atOnce: atOnce(limits),
      waitMs: ready.route.timeoutMs,
      now: means.now,
      guess: () => ofThisAddress('failures'),
      look: () => ofThisAddress('failures', false),
      stranger: () => ofThisAddress('anonymous'),
    },
  });
  return after(identified, (who): Soon<Verdict> => {
    if (who.is === 'good')
      return after(ofUser(who.caller, ready, means), (spent) => byUser(judging, who, spent, target, host));
    return after(who.counted ?? ofThisAddress('anonymous'), (spent) => byAddress(judging, who, spent, target, host));
  });
}

function byUser(
  judging: Admitting,
  { by, caller, trace, counted }: Extract<Identified, { is: 'good' }>,
  spent: Spent,
  target: Target,
  host: string,
): Verdict {
  const { limits, scopes, auth } = judging.ready.route;
  const plan = planOf(caller, limits);
  const traces = counted ? [...counted.traces, ...spent.traces] : spent.traces;
  const seen: Seen = { auth: trace, limits: traces, user: caller.user, plan };
  if (!spent.allowed) return refused(judging, seen, 'plan', spent.headers);
  if (!scopes.every((scope) => caller.scopes.includes(scope)))
    return refused(judging, seen, 'scopes', {
      ...spent.headers,
      'www-authenticate': `${schemeOf(auth)} error="insufficient_scope"`,
    });
  const known = { by, user: caller.user, plan };
  return forwarded(judging, seen, { target, host, headers: spent.headers, known });
}

function byAddress(
  judging: Admitting,
  who: Exclude<Identified, { is: 'good' }>,
  spent: Spent,
  target: Target,
  host: string,
): Verdict {
  const { auth, anonymous } = judging.ready.route;
  const seen: Seen = { auth: who.trace, limits: spent.traces, user: undefined, plan: undefined };
  if (!spent.allowed) return refused(judging, seen, spent.rule, spent.headers);
  if (who.is === 'absent' && (anonymous || auth.length === 0))
    return forwarded(judging, seen, { target, host, headers: spent.headers, known: undefined });
  if (who.is === 'unavailable')
    return refused(judging, seen, 'auth-unavailable', { ...spent.headers, 'retry-after': '5' });
  const scheme = schemeOf(auth);
  return who.is === 'absent'
    ? refused(judging, seen, 'no-credentials', { ...spent.headers, 'www-authenticate': scheme })
    : refused(judging, seen, 'credentials', {
        ...spent.headers,
        'www-authenticate': `${scheme} error="invalid_token"`,
      });
}

function schemeOf(auth: readonly Auth[]): string {
  return auth.some(({ is }) => is !== 'keys') ? 'Bearer' : 'ApiKey';
}

/** Before it is known who asks: every such request counts for its address, so that nobody searches for nothing. */
function turnedAway(judging: Judging, limits: Limits, code: Refuse['code'], headers: HeaderValues = {}): Soon<Refuse> {
  const { asked, means, ready } = judging;
  return after(ofAddress('anonymous', asked.address, { limits, ready, means, count: true }), (spent) => {
    const seen: Seen = { auth: [], limits: spent.traces, user: undefined, plan: undefined };
    return spent.allowed
      ? refused(judging, seen, code, { ...spent.headers, ...headers })
      : refused(judging, seen, 'anonymous', spent.headers);
  });
}

/** Not counted: browsers ask it by themselves, before requests that count. */
function preflight(judging: Judging, { limits, cors }: Route): Soon<Answer> {
  const { asked, means, ready, id } = judging;
  return after(
    ofAddress('anonymous', asked.address, { limits, ready, means, count: false }),
    ({ headers, traces }): Answer => {
      const { 'retry-after': _, ...shown } = headers;
      return {
        is: 'answer',
        status: 204,
        headers: {
          ...shown,
          ...(cors ? preflightHeaders(cors, asked.header('origin') ?? '') : {}),
          'x-request-id': id,
        },
        trace: traceOf(judging, { auth: [], limits: traces, user: undefined, plan: undefined }, 'preflight'),
      };
    },
  );
}

function forwarded(
  judging: Admitting,
  seen: Seen,
  { target, host, headers, known }: { target: Target; host: string; headers: HeaderValues; known: Known | undefined },
): Forward {
  const { asked, id, ready } = judging;
  const { route } = ready;
  const { address, scheme } = asked;
  return {
    is: 'forward',
    route: route.name,
    upstream: route.upstream,
    target: targetOf(ready, target),
    request: requestHeaders(ready, { id, address, scheme, host, known }),
    response: answerHeaders(route, { ...headers, ...corsHeaders(judging), 'x-request-id': id }),
    maxBodyBytes: route.maxBodyBytes,
    timeoutMs: route.timeoutMs,
    user: seen.user,
    plan: seen.plan,
    trace: traceOf(judging, seen, 'forward'),
  };
}

const TOO_MANY = [429, 'Too many requests'] as const;

const REFUSALS: Readonly<Record<Refuse['code'], readonly [Refuse['status'], message: string]>> = {
  target: [400, 'The path of the request can be read in more than one way.'],
  host: [400, 'The request does not say for which host it is, or says two.'],
  route: [404, 'Not found'],
  method: [405, 'Method not allowed'],
  'no-credentials': [401, 'Unauthorized'],
  credentials: [401, 'Invalid token'],
  scopes: [403, 'Forbidden'],
  'auth-unavailable': [503, 'Who may call cannot be checked at the moment.'],
  failures: TOO_MANY,
  anonymous: TOO_MANY,
  plan: TOO_MANY,
};

function refused(judging: Judging, seen: Seen, code: Refuse['code'], headers: HeaderValues): Refuse {
  const [status, message] = REFUSALS[code];
  const vary: HeaderValues = judging.ready?.route.cors ? { vary: 'Origin' } : {};
  return {
    is: 'refuse',
    status,
    code,
    message,
    headers: { ...headers, ...vary, ...corsHeaders(judging), 'x-request-id': judging.id },
    trace: traceOf(judging, seen, code),
  };
}

function corsHeaders({ ready, asked }: Judging): HeaderValues | undefined {
  const cors = ready?.route.cors;
  return cors && readableBy(cors, asked.header('origin'));
}

function traceOf({ asked, means, id, path, ready }: Judging, { auth, limits, user, plan }: Seen, rule: Rule): Trace {
  const { address, method } = asked;
  return { id, at: means.now, address, method, path, route: ready?.route.name, rule, auth, limits, user, plan };
}
