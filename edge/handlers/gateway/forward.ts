// What the upstream gets and what of its answer the client gets, beyond what headers.ts lets pass.
import { CORS_HEADERS } from './cors.ts';
import type { HeaderChange } from './headers.ts';
import type { Caller } from './method.ts';
import type { ReadyRoute } from './ready.ts';
import type { Route, Transform } from './routes.ts';
import type { Target } from './target.ts';
import type { AuthTrace } from './trace.ts';
import type { HeaderValues } from './verdict.ts';

/** What the gateway tells the upstream of the request. */
interface Told {
  readonly id: string;
  readonly address: string;
  readonly scheme: string;
  readonly host: string;
  readonly known: Known | undefined;
}

/** Who it is by, and what proved it. */
export interface Known {
  readonly by: AuthTrace['by'];
  readonly caller: Caller;
}

export function onward(
  { route, prefix }: ReadyRoute,
  { path, query }: Target,
  { id, address, scheme, host, known }: Told,
): { target: string; request: HeaderChange } {
  const rewritten =
    route.rewrite === undefined ? path : route.rewrite.replace(/\/+$/, '') + path.slice(prefix.length) || '/';
  // A key is meant for the gateway, and of no use to who is behind it.
  const keys = route.auth.flatMap((auth) => (auth.is === 'keys' ? [auth.header] : []));
  return {
    target: rewritten + changedQuery(query, route.query),
    request: {
      set: {
        ...route.request.set,
        'x-request-id': id,
        'x-forwarded-for': address,
        'x-forwarded-proto': scheme,
        'x-forwarded-host': host,
        ...(known ? { 'x-user-id': known.caller.user, 'x-user-plan': known.caller.plan ?? '' } : {}),
      },
      drop: [
        ...route.request.drop,
        ...keys.filter((header) => header !== 'authorization'),
        // Beside a user that a key proved, a token there would be taken for one that the gateway has looked at.
        ...(known?.by === 'keys' ? ['authorization'] : []),
      ],
    },
  };
}

export function answerHeaders({ cors, response }: Route, ofTheGateway: HeaderValues): HeaderChange {
  return {
    set: { ...response.set, ...ofTheGateway },
    drop: [...response.drop, ...(cors ? CORS_HEADERS : [])],
    add: cors ? { vary: 'Origin' } : {},
  };
}

/** The other parameters stay as they were sent, to the letter. */
function changedQuery(query: string, { set, drop }: Transform): string {
  const names = new Set([...Object.keys(set), ...drop]);
  if (names.size === 0) return query;
  const kept = query
    .slice(1)
    .split('&')
    .filter((pair) => pair !== '' && !names.has(parameterName(pair)));
  const all = [
    ...kept,
    ...Object.entries(set).map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`),
  ];
  return all.length === 0 ? '' : `?${all.join('&')}`;
}

function parameterName(pair: string): string {
  return new URLSearchParams(pair).keys().next().value ?? '';
}
