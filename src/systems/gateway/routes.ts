import { type Auth, type JwtAuth, type Route, SHORTEST_SECRET } from '../../../edge/handlers/gateway/routes.ts';
import { StewardError } from '../../core/errors.ts';
import type { SecretReference, SecretResolver } from '../../core/secrets.ts';
import { type Held, notRead, nowRead } from '../held.ts';
import type { Problem } from '../problems.ts';
import { within } from './within.ts';

/** A route as the configuration has it: where its secrets are. */
export interface ConfiguredRoute extends Omit<Route, 'auth'> {
  readonly auth: readonly ConfiguredAuth[];
}

export type ConfiguredAuth =
  | Exclude<Auth, JwtAuth>
  | (Omit<JwtAuth, 'secrets' | 'incomplete'> & { readonly secrets: readonly SecretReference[] });

export interface RouteSecrets {
  /** Routes with their secrets, and what is wrong with these. Does not reject, and waits for no disk that hangs. */
  read(
    routes: readonly ConfiguredRoute[],
  ): Promise<{ readonly routes: readonly Route[]; readonly problems: readonly Problem[] }>;
}

interface Known {
  held: Held<string>;
  reading: Promise<string> | undefined;
}

const READ_MS = 2_000;

/**
 * A secret that cannot be read any more stays what it was for a day, unless it was taken away; one that never could closes nothing but
 * what it would have opened.
 */
export function createRouteSecrets(resolve: SecretResolver, clock = (): number => performance.now()): RouteSecrets {
  const known = new Map<string, Known>();

  async function read(name: string, reference: SecretReference): Promise<Held<string>> {
    const one = known.get(name) ?? { held: {}, reading: undefined };
    known.set(name, one);
    // One that hangs is waited for again, and not asked for again: each would hold a thread of its own.
    one.reading ??= longEnough(reference, resolve).finally(() => (one.reading = undefined));
    try {
      one.held = nowRead(await within(READ_MS, one.reading));
    } catch (thrown) {
      one.held = notRead(one.held, thrown, { at: clock() });
    }
    return one.held;
  }

  return {
    async read(routes) {
      const ways = new Set(routes.flatMap(({ auth }) => auth));
      const references = new Map<string, SecretReference>();
      for (const way of ways)
        if (way.is === 'jwt') for (const each of way.secrets) references.set(JSON.stringify(each), each);
      for (const name of known.keys()) if (!references.has(name)) known.delete(name);
      const found = new Map(
        await Promise.all([...references].map(async ([name, each]) => [name, await read(name, each)] as const)),
      );
      const heldOf = (reference: SecretReference): Held<string> => found.get(JSON.stringify(reference)) ?? {};
      // What several routes share stays one: what was found out about callers is remembered by it.
      const ready = new Map([...ways].map((way) => [way, withSecrets(way, heldOf)]));
      return {
        routes: routes.map((route) => ({ ...route, auth: route.auth.map((way) => ready.get(way) as Auth) })),
        problems: [...found.values()].flatMap(problemOf),
      };
    },
  };
}

function problemOf({ good, revoked, failed }: Held<string>): Problem[] {
  if (!failed) return [];
  const { message, hint } = failed.error;
  const meanwhile = revoked
    ? 'It verifies nothing any more; take it out of secrets, too.'
    : good === undefined
      ? 'What it would have to verify is 503.'
      : 'What it was before holds until then, for a day at most.';
  const isClosed = good === undefined && !revoked;
  return [
    {
      message: `${message} ${meanwhile}`,
      severity: isClosed ? 'critical' : 'warning',
      ...(hint !== undefined && { hint }),
    },
  ];
}

function withSecrets(way: ConfiguredAuth, heldOf: (reference: SecretReference) => Held<string>): Auth {
  if (way.is !== 'jwt') return way;
  const held = way.secrets.map(heldOf);
  // What was taken away is known to verify nothing.
  const isUnknown = held.some(({ good, revoked }) => good === undefined && !revoked);
  return { ...way, secrets: held.flatMap(({ good }) => good ?? []), ...(isUnknown && { incomplete: true }) };
}

async function longEnough(reference: SecretReference, resolve: SecretResolver): Promise<string> {
  const secret = await resolve(reference);
  if (Buffer.byteLength(secret) >= SHORTEST_SECRET) return secret;
  throw new StewardError('INPUT_INVALID', `The secret for HS256 in ${JSON.stringify(reference)} is too short.`, {
    hint: `It has to have ${SHORTEST_SECRET} bytes: openssl rand -base64 48. The issuer needs the same one.`,
  });
}
