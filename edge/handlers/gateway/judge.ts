// What becomes of a request to the gateway: nothing here reads a clock, a socket or a disk.
import type { Callers, Identified } from './callers.ts';
import { isPreflight, preflightHeaders, readableBy } from './cors.ts';
import type { Counters } from './counters.ts';
import { answerHeaders, type Known, onward } from './forward.ts';
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

export async function judge(asked: Asked, routes: ReadyRoutes, means: Means): Promise<Verdict> {
  const target = readTarget(asked.target);
  const host = hostOf(asked.host);
  const judging: Judging = { asked, means, id: means.newId(), path: target?.path ?? '', auth: [], limits: [] };
  if (!target) return await turnedAway(judging, routes.limits, 'target');
  if (host === undefined || (target.host !== undefined && hostOf(target.host) !== host))
    return await turnedAway(judging, routes.limits, 'host');

  if (isPreflight(asked.method, asked.header)) {
    const meant = routes.find(host, target.path, asked.header('access-control-request-method') ?? '');
    if ('ready' in meant && meant.ready.route.cors)
      return await preflight({ ...judging, ready: meant.ready }, meant.ready.route);
  }
  const found = routes.find(host, target.path, asked.method);
  if (found.is === 'none') return await turnedAway(judging, routes.limits, 'route');
  if (found.is === 'ambiguous') return await turnedAway(judging, routes.limits, 'target');
  const on: Judging = { ...judging, ready: found.ready };
  if (found.is === 'method')
    return await turnedAway(on, found.ready.route.limits, 'method', { allow: found.allow.join(', ') });
  return await admitted(on, found.ready, target, host);
}

/** What is known so far; it ends up in the trace. */
interface Judging {
  readonly asked: Asked;
  readonly means: Means;
  readonly id: string;
  readonly path: string;
  readonly ready?: ReadyRoute;
  readonly auth: readonly AuthTrace[];
  readonly limits: readonly LimitTrace[];
  readonly user?: string;
  readonly plan?: string;
}

async function admitted(judging: Judging, ready: ReadyRoute, target: Target, host: string): Promise<Verdict> {
  const { asked, means } = judging;
  const { auth, anonymous, limits, scopes } = ready.route;
  const ofThisAddress = (rule: AddressRule, count = true): Promise<Spent> =>
    ofAddress(rule, asked.address, { limits, ready, means, count });

  const who: Identified = await means.callers.identify(auth, {
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
  const seen: Judging = { ...judging, auth: who.trace };
  if (who.is === 'good') {
    const plan = planOf(who.caller, limits);
    const spent = await ofUser(who.caller, ready, means);
    const known = counted({ ...seen, user: who.caller.user, plan }, ...(who.counted ? [who.counted, spent] : [spent]));
    if (!spent.allowed) return refused(known, 'plan', spent.headers);
    if (!scopes.every((scope) => who.caller.scopes.includes(scope)))
      return refused(known, 'scopes', {
        ...spent.headers,
        'www-authenticate': `${schemeOf(auth)} error="insufficient_scope"`,
      });
    return forwarded(known, ready, target, host, {
      headers: spent.headers,
      known: { by: who.by, caller: { ...who.caller, plan } },
    });
  }

  const spent = who.counted ?? (await ofThisAddress('anonymous'));
  const known = counted(seen, spent);
  if (!spent.allowed) return refused(known, spent.rule, spent.headers);
  if (who.is === 'absent' && (anonymous || auth.length === 0))
    return forwarded(known, ready, target, host, { headers: spent.headers });
  if (who.is === 'unavailable') return refused(known, 'auth-unavailable', { ...spent.headers, 'retry-after': '5' });
  const scheme = schemeOf(auth);
  return who.is === 'absent'
    ? refused(known, 'no-credentials', { ...spent.headers, 'www-authenticate': scheme })
    : refused(known, 'credentials', { ...spent.headers, 'www-authenticate': `${scheme} error="invalid_token"` });
}

function schemeOf(auth: readonly Auth[]): string {
  return auth.some(({ is }) => is !== 'keys') ? 'Bearer' : 'ApiKey';
}

/** Before it is known who asks: every such request counts for its address, so that nobody searches for nothing. */
async function turnedAway(
  judging: Judging,
  limits: Limits,
  code: Refuse['code'],
  headers: HeaderValues = {},
): Promise<Refuse> {
  const { asked, means, ready } = judging;
  const spent = await ofAddress('anonymous', asked.address, { limits, ready, means, count: true });
  const known = counted(judging, spent);
  return spent.allowed
    ? refused(known, code, { ...spent.headers, ...headers })
    : refused(known, 'anonymous', spent.headers);
}

/** Not counted: browsers ask it by themselves, before requests that count. */
async function preflight(judging: Judging, { limits, cors }: Route): Promise<Answer> {
  const { asked, means, ready, id } = judging;
  const { headers, traces } = await ofAddress('anonymous', asked.address, { limits, ready, means, count: false });
  const { 'retry-after': _, ...shown } = headers;
  return {
    is: 'answer',
    status: 204,
    headers: { ...shown, ...(cors ? preflightHeaders(cors, asked.header('origin') ?? '') : {}), 'x-request-id': id },
    trace: traceOf({ ...judging, limits: traces }, 'preflight'),
  };
}

function forwarded(
  judging: Judging,
  ready: ReadyRoute,
  target: Target,
  host: string,
  { headers, known }: { readonly headers: HeaderValues; readonly known?: Known },
): Forward {
  const { asked, id } = judging;
  const { route } = ready;
  return {
    is: 'forward',
    route: route.name,
    upstream: route.upstream,
    ...onward(ready, target, { id, address: asked.address, scheme: asked.scheme, host, known }),
    response: answerHeaders(route, { ...headers, ...corsHeaders(judging), 'x-request-id': id }),
    maxBodyBytes: route.maxBodyBytes,
    timeoutMs: route.timeoutMs,
    user: judging.user,
    plan: judging.plan,
    trace: traceOf(judging, 'forward'),
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

function refused(judging: Judging, code: Refuse['code'], headers: HeaderValues): Refuse {
  const [status, message] = REFUSALS[code];
  const vary: HeaderValues = judging.ready?.route.cors ? { vary: 'Origin' } : {};
  return {
    is: 'refuse',
    status,
    code,
    message,
    headers: { ...headers, ...vary, ...corsHeaders(judging), 'x-request-id': judging.id },
    trace: traceOf(judging, code),
  };
}

function corsHeaders({ ready, asked }: Judging): HeaderValues {
  const cors = ready?.route.cors;
  return cors ? readableBy(cors, asked.header('origin')) : {};
}

function counted(judging: Judging, ...spent: readonly Spent[]): Judging {
  return { ...judging, limits: [...judging.limits, ...spent.flatMap(({ traces }) => traces)] };
}

function traceOf({ asked, means, id, path, ready, auth, limits, user, plan }: Judging, rule: Rule): Trace {
  return {
    id,
    at: means.now,
    address: asked.address,
    method: asked.method,
    path,
    route: ready?.route.name,
    rule,
    auth,
    limits,
    user,
    plan,
  };
}
