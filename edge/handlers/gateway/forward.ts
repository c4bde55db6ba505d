// What the upstream gets and what of its answer the client gets, beyond what headers.ts lets pass.
import { CORS_HEADERS } from './cors.ts';
import type { HeaderChange } from './headers.ts';
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
  readonly user: string;
  readonly plan: string;
}

export function targetOf({ route: { rewrite, query }, prefix }: ReadyRoute, target: Target): string {
  const path =
    rewrite === undefined ? target.path : rewrite.replace(/\/+$/, '') + target.path.slice(prefix.length) || '/';
  return path + changedQuery(target.query, query);
}

export function requestHeaders(
  { route, keyHeaders }: ReadyRoute,
  { id, address, scheme, host, known }: Told,
): HeaderChange {
  const set: Record<string, string> = {
    ...route.request.set,
    'x-request-id': id,
    'x-forwarded-for': address,
    'x-forwarded-proto': scheme,
    'x-forwarded-host': host,
  };
  const drop = [...route.request.drop, ...keyHeaders];
  if (known) {
    set['x-user-id'] = known.user;
    set['x-user-plan'] = known.plan;
    // Beside a user that a key proved, a token there would be taken for one that the gateway has looked at.
    if (known.by === 'keys') drop.push('authorization');
  }
  return { set, drop };
}

export function answerHeaders({ cors, response }: Route, ofTheGateway: HeaderValues): HeaderChange {
  const set = { ...response.set, ...ofTheGateway };
  return cors ? { set, drop: [...response.drop, ...CORS_HEADERS], add: VARIES } : { set, drop: response.drop };
}

const VARIES: HeaderValues = { vary: 'Origin' };

/** The other parameters stay as they were sent, to the letter. */
function changedQuery(query: string, { set, drop }: Transform): string {
  if (query === '' && Object.keys(set).length === 0) return '';
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
