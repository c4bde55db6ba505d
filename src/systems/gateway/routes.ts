import { type Auth, type JwtAuth, type Route, SHORTEST_SECRET } from '../../../edge/handlers/gateway/routes.ts';
import { StewardError } from '../../core/errors.ts';
import type { SecretReference, SecretResolver } from '../../core/secrets.ts';

/** A route as the configuration has it: where its secrets are. */
export interface ConfiguredRoute extends Omit<Route, 'auth'> {
  readonly auth: readonly ConfiguredAuth[];
}

export type ConfiguredAuth =
  | Exclude<Auth, JwtAuth>
  | (Omit<JwtAuth, 'secrets'> & { readonly secrets: readonly SecretReference[] });

/** Rejects where a secret cannot be read or is too short: a route without it would refuse everybody, and say nothing. */
export async function withSecrets(
  routes: readonly ConfiguredRoute[],
  secrets: SecretResolver,
): Promise<readonly Route[]> {
  // What several routes share stays one: what was found out about callers is remembered by it.
  const known = new Map<ConfiguredAuth, Promise<Auth>>();
  const once = (auth: ConfiguredAuth): Promise<Auth> => {
    let found = known.get(auth);
    if (!found) known.set(auth, (found = ready(auth, secrets)));
    return found;
  };
  return await Promise.all(routes.map(async (route) => ({ ...route, auth: await Promise.all(route.auth.map(once)) })));
}

async function ready(auth: ConfiguredAuth, secrets: SecretResolver): Promise<Auth> {
  if (auth.is !== 'jwt') return auth;
  return { ...auth, secrets: await Promise.all(auth.secrets.map((reference) => longEnough(reference, secrets))) };
}

async function longEnough(reference: SecretReference, secrets: SecretResolver): Promise<string> {
  const secret = await secrets(reference);
  if (Buffer.byteLength(secret) >= SHORTEST_SECRET) return secret;
  throw new StewardError('INPUT_INVALID', `The secret for HS256 in ${JSON.stringify(reference)} is too short.`, {
    hint: `It has to have ${SHORTEST_SECRET} bytes: openssl rand -base64 48. The issuer needs the same one.`,
  });
}
