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

const NAME = /^[0-9A-Za-z-]+$/;
/** No control character but the tab: nothing that could end the line. */
const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;

/** What the upstream gets, of what the client sent. The one header Host is the upstream's own, and is left to who connects. */
export function toUpstream(headers: HeaderList, change: HeaderChange): HeaderList {
  // Many servers hand X_User_ID, some X.User.ID too, to a program as if it were X-User-ID: names with such signs do not pass.
  return crossing(
    headers,
    change,
    (lower, value) => NAME.test(lower) && VALUE.test(value) && !OURS.has(lower) && !lower.startsWith('x-forwarded-'),
  );
}

/** What the client gets, of what the upstream answered. */
export function toClient(headers: HeaderList, change: HeaderChange): HeaderList {
  return crossing(headers, change, () => true);
}

/** What the client gets, of what the upstream said after its body; what the gateway says itself stands in the head. */
export function trailersToClient(trailers: HeaderList, { set, drop }: HeaderChange): HeaderList {
  return toClient(trailers, { set: {}, drop: [...drop, ...Object.keys(set)] });
}

function crossing(
  headers: HeaderList,
  { set, drop, add = {} }: HeaderChange,
  mayPass: (lower: string, value: string) => boolean,
): HeaderList {
  const named = connectionNames(headers);
  const passed: (readonly [name: string, value: string])[] = [];
  for (const header of headers) {
    const [name, value] = header;
    const lower = name.toLowerCase();
    const stays = HOP_BY_HOP.has(lower) || named.includes(lower) || drop.includes(lower) || Object.hasOwn(set, lower);
    if (!stays && mayPass(lower, value)) passed.push(header);
  }
  for (const name in set) passed.push([name, set[name] ?? '']);
  for (const name in add) passed.push([name, add[name] ?? '']);
  return passed;
}

/** What Connection names goes no further. */
function connectionNames(headers: HeaderList): readonly string[] {
  const names: string[] = [];
  for (const [name, value] of headers)
    if (name.length === 10 && name.toLowerCase() === 'connection')
      names.push(
        ...value
          .toLowerCase()
          .split(',')
          .map((each) => each.trim()),
      );
  return names;
}
