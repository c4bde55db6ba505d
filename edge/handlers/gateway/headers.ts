// Which headers cross the gateway. What the gateway says itself nobody can say in its place, in whatever spelling.

/** Names in lower case. */
export interface HeaderChange {
  /** In place of what is there. */
  readonly set: Readonly<Record<string, string>>;
  readonly drop: readonly string[];
  /** Besides what is there. */
  readonly add?: Readonly<Record<string, string>>;
}

export type HeaderList = readonly (readonly [name: string, value: string])[];

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

const NAME = /^[!#$%&'*+.^`|~0-9A-Za-z-]+$/;
/** No control character but the tab: nothing that could end the line. */
const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;

/** What the upstream gets, of what the client sent. The one header Host is the upstream's own, and is left to who connects. */
export function toUpstream(headers: HeaderList, { set, drop }: HeaderChange): [name: string, value: string][] {
  const named = connectionNames(headers);
  const dropped = new Set(drop);
  const passed = headers.filter(([name, value]) => {
    const lower = name.toLowerCase();
    // Many servers hand X_User_ID and X-User-ID to a program as one and the same.
    return (
      NAME.test(name) &&
      VALUE.test(value) &&
      !HOP_BY_HOP.has(lower) &&
      !named.has(lower) &&
      !OURS.has(lower) &&
      !lower.startsWith('x-forwarded-') &&
      !dropped.has(lower) &&
      !Object.hasOwn(set, lower)
    );
  });
  return [...passed, ...Object.entries(set)].map(([name, value]) => [name, value]);
}

/** What the client gets, of what the upstream answered. */
export function toClient(headers: HeaderList, { set, drop, add = {} }: HeaderChange): [name: string, value: string][] {
  const named = connectionNames(headers);
  const dropped = new Set(drop);
  const passed = headers.filter(([name]) => {
    const lower = name.toLowerCase();
    return !HOP_BY_HOP.has(lower) && !named.has(lower) && !dropped.has(lower) && !Object.hasOwn(set, lower);
  });
  return [...passed, ...Object.entries(set), ...Object.entries(add)].map(([name, value]) => [name, value]);
}

/** What Connection names goes no further; but it cannot take off what carries the request itself. */
function connectionNames(headers: HeaderList): ReadonlySet<string> {
  const names = headers
    .filter(([name]) => name.toLowerCase() === 'connection')
    .flatMap(([, value]) => value.split(','))
    .map((name) => name.trim().toLowerCase());
  return new Set(names);
}
