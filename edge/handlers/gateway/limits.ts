// Two stages. Until it is known who asks, a request belongs to its address; from then on to its user and to nobody else, so that
// a plan promises what it says however many people share an address.
import { addressRange } from '../addresses.ts';
import { after, type Soon } from '../soon.ts';
import type { Count, CountAsked, Counters } from './counters.ts';
import type { Caller } from './method.ts';
import type { ReadyRoute } from './ready.ts';
import type { Limits, Window } from './routes.ts';
import type { LimitTrace } from './trace.ts';
import type { HeaderValues } from './verdict.ts';

const MINUTE = { ms: 60_000, name: '' };
const UNLIMITED = -1;
const AGAIN_MS = 5_000;

export interface Spent {
  readonly rule: LimitTrace['rule'];
  readonly allowed: boolean;
  /** What the answer says of the limit that was in force. */
  readonly headers: HeaderValues;
  readonly traces: readonly LimitTrace[];
  /** It did not happen after all. */
  readonly giveBack: () => Promise<void>;
}

export interface LimitMeans {
  readonly counters: Counters;
  readonly now: number;
}

export type AddressRule = 'anonymous' | 'failures';

/** Of an address: counted, or only looked at. */
export function ofAddress(
  rule: AddressRule,
  address: string,
  { limits, ready, means, count }: { limits: Limits; ready: ReadyRoute | undefined; means: LimitMeans; count: boolean },
): Soon<Spent> {
  // One who guesses does not get a new count with each route.
  const scope = rule === 'failures' ? '' : scopeOf(limits, ready);
  const key = `${rule === 'failures' ? 'failures' : 'address'}:${networkOf(address)}${scope}`;
  return spend(rule, key, { limit: limits[rule], shadow: ready?.route.shadow?.[rule], means, count });
}

export function ofUser(caller: Caller, ready: ReadyRoute, means: LimitMeans): Soon<Spent> {
  const { limits, shadow } = ready.route;
  const plan = planOf(caller, limits);
  const limit = Object.hasOwn(limits.plans, plan) ? (limits.plans[plan] ?? 0) : 0;
  const key = `user:${caller.user}${scopeOf(limits, ready)}`;
  const minute = spend('plan', key, { limit, shadow: shadow?.plans?.[plan], means, count: true });
  const others = limits.windows?.filter(({ plans }) => Object.hasOwn(plans, plan)) ?? [];
  return others.length === 0
    ? minute
    : inAll(minute, others, (window) => {
        return spend('plan', key, { limit: window.plans[plan] ?? 0, shadow: undefined, means, count: true, window });
      });
}

/** What one of them has no room for takes none of the others'. */
async function inAll(
  minute: Soon<Spent>,
  others: readonly Window[],
  take: (window: Window) => Soon<Spent>,
): Promise<Spent> {
  const all = [await minute];
  for (const window of others) if (all.every(({ allowed }) => allowed)) all.push(await take(window));
  const refused = all.find(({ allowed }) => !allowed);
  if (refused) for (const each of all) if (each !== refused) await each.giveBack();
  const [first, ...rest] = (refused ? [refused] : all.toSorted((a, b) => roomOf(a) - roomOf(b))) as [Spent, ...Spent[]];
  return {
    ...first,
    headers: rest.reduce((headers, each) => joined(headers, each.headers), first.headers),
    traces: all.flatMap(({ traces }) => traces),
    async giveBack() {
      if (!refused) for (const each of all) await each.giveBack();
    },
  };
}

function roomOf({ headers }: Spent): number {
  const remaining = Number(headers['x-ratelimit-remaining']);
  return remaining === UNLIMITED ? Infinity : remaining;
}

/** The fields of the IETF have room for several; the others say the one with the least. */
function joined(one: HeaderValues, other: HeaderValues): HeaderValues {
  const both = { ...one };
  for (const name of ['ratelimit-policy', 'ratelimit'])
    if (other[name] !== undefined) both[name] = one[name] === undefined ? other[name] : `${one[name]}, ${other[name]}`;
  return both;
}

/** How many of one address are looked at together who nobody knows: half of what it may guess. */
export function atOnce({ failures }: Limits): number {
  return failures === UNLIMITED ? Infinity : Math.max(1, Math.floor(failures / 2));
}

/** What an answer says where nothing can be counted: there is room for nothing before it is tried again. */
export function uncounted({ anonymous }: Limits): Readonly<Record<string, string>> {
  const none = { allowed: false, used: 0, remaining: anonymous === UNLIMITED ? UNLIMITED : 0, resetMs: AGAIN_MS };
  return { 'retry-after': String(AGAIN_MS / 1000), ...headersOf('anonymous', anonymous, none) };
}

/** The plan that holds: one that nobody described is the default one. */
export function planOf({ plan }: Caller, { plans, defaultPlan }: Limits): string {
  return plan !== undefined && Object.hasOwn(plans, plan) ? plan : defaultPlan;
}

function scopeOf({ per }: Limits, ready: ReadyRoute | undefined): string {
  return per === 'route' && ready ? `@${ready.route.name}` : '';
}

interface Asked {
  readonly limit: number;
  readonly shadow: number | undefined;
  readonly means: LimitMeans;
  readonly count: boolean;
  readonly window?: Pick<Window, 'ms' | 'name'>;
}

interface Counted {
  readonly key: string;
  readonly limit: number;
  readonly count: Count;
  readonly shadow: boolean;
}

function spend(rule: LimitTrace['rule'], key: string, asked: Asked): Soon<Spent> {
  const { limit, shadow } = asked;
  return after(ask(key, limit, asked), (count): Soon<Spent> => {
    const inForce: Counted = { key, limit, count, shadow: false };
    if (shadow === undefined) return spent(rule, asked, [inForce]);
    const shadowKey = `shadow:${key}`;
    return after(ask(shadowKey, shadow, asked), (shadowed) =>
      spent(rule, asked, [inForce, { key: shadowKey, limit: shadow, count: shadowed, shadow: true }]),
    );
  });
}

/** The first of them is in force. */
function spent(rule: LimitTrace['rule'], asked: Asked, all: readonly [Counted, ...Counted[]]): Spent {
  const { means, count, window } = asked;
  const [{ limit, count: inForce }] = all;
  return {
    rule,
    allowed: inForce.allowed,
    headers: headersOf(rule, limit, inForce, window),
    traces: all.map((each) => traceOf(rule, each, asked)),
    async giveBack() {
      for (const each of all)
        if (count && each.limit !== UNLIMITED && each.count.allowed)
          await means.counters.give(askedOf(each.key, each.limit, asked), each.count);
    },
  };
}

function ask(key: string, limit: number, asked: Asked): Soon<Count> {
  if (limit === UNLIMITED) return { allowed: true, used: 0, remaining: UNLIMITED, resetMs: 0 };
  const { counters } = asked.means;
  const about = askedOf(key, limit, asked);
  return asked.count ? counters.take(about) : counters.look(about);
}

function askedOf(key: string, limit: number, { means: { now }, window = MINUTE }: Asked): CountAsked {
  return { key, limit, windowMs: window.ms, now };
}

function traceOf(
  rule: LimitTrace['rule'],
  { key, limit, count, shadow }: Counted,
  { means: { now }, window }: Asked,
): LimitTrace {
  const { allowed, used, remaining, resetMs } = count;
  const trace = { rule, key, limit, used, remaining, resetAt: now + resetMs, allowed, shadow };
  return window ? { ...trace, window: window.name } : trace;
}

function headersOf(
  rule: LimitTrace['rule'],
  limit: number,
  { allowed, remaining, resetMs }: Count,
  { ms, name }: Pick<Window, 'ms' | 'name'> = MINUTE,
): Record<string, string> {
  const headers: Record<string, string> = {
    'x-ratelimit-limit': String(limit),
    'x-ratelimit-remaining': String(remaining),
  };
  // The fields of the IETF know no quota without an end.
  if (limit === UNLIMITED) return headers;
  const seconds = Math.ceil(resetMs / 1000);
  const policy = name === '' ? rule : `${rule}-${name}`;
  headers['ratelimit-policy'] = `"${policy}";q=${limit};w=${ms / 1000}`;
  headers.ratelimit = `"${policy}";r=${remaining};t=${seconds}`;
  if (!allowed) headers['retry-after'] = String(Math.max(1, seconds));
  return headers;
}

/** Whoever has one address of IPv6 has 2^64 of them. */
export function networkOf(address: string): string {
  const range = address.includes(':') ? addressRange(address) : undefined;
  if (!range) return address;
  const mapped = range.start >> 32n === 0xffffn;
  if (!mapped)
    return `${(range.start >> 64n)
      .toString(16)
      .padStart(16, '0')
      .replace(/(....)(?=.)/g, '$1:')}::/64`;
  return [24n, 16n, 8n, 0n].map((shift) => (range.start >> shift) & 0xffn).join('.');
}
