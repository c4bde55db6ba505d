// Which headers cross the gateway. What the gateway says itself nobody can say in its place, in whatever spelling.

/** Names in lower case. */
export interface HeaderChange {
  /** In place of what is there. */
  readonly set: Readonly<Record<string, string>>;
  readonly drop: readonly string[];
  /** Besides what is there. */
  readonly add?: Readonly<Record<string, string>>;
}

/** Name, value, name, value. */
export type HeaderList = readonly string[];

export function inPairs(headers: HeaderList): [name: string, value: string][] {
  return headers.flatMap((name, at) => (at % 2 === 0 ? [[name, headers[at + 1] ?? '']] : []));
}

/** Meant for the next one on the way, not for who is behind him. */
const HOP_BY_HOP = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authenticate',
  'proxy-authorization',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

/** Who the client is, who it says it is, and what it would rather have asked for: the gateway has judged all of it. */
const OURS = new Set([
  'host',
  'forwarded',
  'x-user-id',
  'x-user-plan',
  'x-request-id',
  'x-real-ip',
  'x-client-ip',
  'x-cluster-client-ip',
  'x-original-forwarded-for',
  'x-original-url',
  'x-rewrite-url',
  'x-http-method',
  'x-http-method-override',
  'x-method-override',
  'true-client-ip',
  'cf-connecting-ip',
  'fastly-client-ip',
]);

const NAME = /^[0-9A-Za-z-]+$/;
/** No control character but the tab: nothing that could end the line. */
const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;

/** What the upstream gets, of what the client sent. The one header Host is the upstream's own, and is left to who connects. */
export function toUpstream(headers: HeaderList, change: HeaderChange): string[] {
  return crossing(headers, change, (name, value) => name.mayAsk && VALUE.test(value));
}

/** What the client gets, of what the upstream answered. */
export function toClient(headers: HeaderList, change: HeaderChange): string[] {
  return crossing(headers, change, () => true);
}

/** What the client gets, of what the upstream said after its body; what the gateway says itself stands in the head. */
export function trailersToClient(trailers: HeaderList, { set, drop }: HeaderChange): string[] {
  return toClient(trailers, { set: {}, drop: [...drop, ...Object.keys(set)] });
}

function crossing(
  headers: HeaderList,
  { set, drop, add }: HeaderChange,
  mayPass: (name: Name, value: string) => boolean,
): string[] {
  const named = connectionNames(headers);
  const passed: string[] = [];
  for (let at = 0; at + 1 < headers.length; at += 2) {
    const spelled = headers[at] as string;
    const value = headers[at + 1] as string;
    const name = nameOf(spelled);
    const { lower } = name;
    const stays = name.hop || named?.includes(lower) || drop.includes(lower) || Object.hasOwn(set, lower);
    if (!stays && mayPass(name, value)) passed.push(spelled, value);
  }
  for (const name in set) passed.push(name, set[name] ?? '');
  if (add) for (const name in add) passed.push(name, add[name] ?? '');
  return passed;
}

/** What Connection names goes no further. */
function connectionNames(headers: HeaderList): readonly string[] | undefined {
  let names: string[] | undefined;
  for (let at = 0; at + 1 < headers.length; at += 2) {
    const name = headers[at] as string;
    if (name.length !== 10 || name.toLowerCase() !== 'connection') continue;
    const value = (headers[at + 1] as string).toLowerCase();
    (names ??= []).push(...value.split(',').map((each) => each.trim()));
  }
  return names;
}

interface Name {
  readonly lower: string;
  readonly hop: boolean;
  /** A client may say it to an upstream. */
  readonly mayAsk: boolean;
}

/** Most requests use the same few names: each spelling is looked at once, while they are not too many. */
const names = new Map<string, Name>();
const MOST_NAMES = 1_000;
const LONGEST_KEPT = 64;

function nameOf(spelled: string): Name {
  const known = names.get(spelled);
  if (known) return known;
  const lower = spelled.toLowerCase();
  const hop = HOP_BY_HOP.has(lower);
  // Many servers hand X_User_ID, some X.User.ID too, to a program as if it were X-User-ID: names with such signs do not pass.
  const mayAsk = NAME.test(lower) && !OURS.has(lower) && !lower.startsWith('x-forwarded-');
  const found = { lower, hop, mayAsk };
  if (names.size >= MOST_NAMES) names.clear();
  if (spelled.length <= LONGEST_KEPT) names.set(spelled, found);
  return found;
}
