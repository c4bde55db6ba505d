import {
  allowInsecureRequests,
  authorizationCodeGrant,
  buildAuthorizationUrl,
  buildEndSessionUrl,
  calculatePKCECodeChallenge,
  type ClientAuth,
  ClientSecretBasic,
  ClientSecretPost,
  type Configuration,
  customFetch,
  discovery,
  enableNonRepudiationChecks,
  fetchUserInfo,
  None,
  randomNonce,
  randomPKCECodeVerifier,
  randomState,
} from 'openid-client';
import { z } from 'zod';
import { StewardError } from '../../core/errors.ts';
import type { Vault } from '../../core/vault.ts';
import type { Claims, Elsewhere, OidcSettings } from './elsewhere.ts';
import { guardedFetch } from './guarded-fetch.ts';

const CALLBACK = '/api/v1/oidc/callback';
const REMEMBERED_MS = 10 * 60_000;
/** How long a discovery document counts before it is fetched again. */
const FRESH_MS = 60 * 60_000;
const CONTEXT = 'sign-in through an identity provider';

const Begun = z.object({
  issuer: z.string(),
  state: z.string(),
  nonce: z.string(),
  verifier: z.string(),
  origin: z.string(),
  until: z.number(),
});
type Begun = z.output<typeof Begun>;

export interface Provider {
  /** As people know it; undefined where none is configured. */
  name(): string | undefined;
  begin(origin: string): Promise<{ url: string; state: string }>;
  /** Who it is, by the provider's signed word. `expired` where this browser did not begin, or too long ago. */
  finish(
    url: URL,
    state: string | undefined,
  ): Promise<{ claims: Claims; idToken: string; settings: OidcSettings } | 'expired'>;
  /** Where the browser signs out there as well. */
  endUrl(idToken: string, origin: string): Promise<string | undefined>;
}

/** OpenID Connect: authorization code with PKCE, state and nonce; the state is kept by the browser, sealed. */
export function createProvider({ settings, secrets, requests }: Elsewhere, vault: Vault, now: () => Date): Provider {
  let known: { readonly key: string; readonly at: number; readonly configuration: Configuration } | undefined;

  function configured(): OidcSettings {
    const { oidc } = settings();
    if (oidc) return oidc;
    throw new StewardError('NOT_FOUND', 'No identity provider is configured.', { hint: 'Set auth.oidc.' });
  }

  async function discovered(oidc: OidcSettings): Promise<Configuration> {
    const secret = oidc.clientSecret === undefined ? undefined : await secrets(oidc.clientSecret);
    const key = JSON.stringify([oidc.issuer, oidc.clientId, secret, oidc.allowPrivate, oidc.allowHttp]);
    const at = now().getTime();
    if (known?.key === key && at - known.at < FRESH_MS) return known.configuration;
    const configuration = await discovery(new URL(oidc.issuer), oidc.clientId, {}, authentication(secret), {
      execute: [enableNonRepudiationChecks, ...(oidc.allowHttp ? [allowInsecureRequests] : [])],
      [customFetch]: guardedFetch(requests, oidc.allowPrivate),
    });
    known = { key, at, configuration };
    return configuration;
  }

  function open(state: string | undefined, issuer: string): Begun | undefined {
    const text = state === undefined ? undefined : vault.open(state, CONTEXT);
    if (text === undefined) return undefined;
    const begun = Begun.parse(JSON.parse(text));
    return begun.issuer === issuer && begun.until > now().getTime() ? begun : undefined;
  }

  return {
    name() {
      const { oidc } = settings();
      return oidc && (oidc.name ?? new URL(oidc.issuer).hostname);
    },

    async begin(origin) {
      const oidc = configured();
      const configuration = await discovered(oidc);
      const begun: Begun = {
        issuer: oidc.issuer,
        state: randomState(),
        nonce: randomNonce(),
        verifier: randomPKCECodeVerifier(),
        origin,
        until: now().getTime() + REMEMBERED_MS,
      };
      const url = buildAuthorizationUrl(configuration, {
        redirect_uri: `${origin}${CALLBACK}`,
        scope: [...new Set(['openid', ...oidc.scopes])].join(' '),
        state: begun.state,
        nonce: begun.nonce,
        code_challenge: await calculatePKCECodeChallenge(begun.verifier),
        code_challenge_method: 'S256',
      });
      // In the alphabet that cookies take; the vault opens either.
      const state = Buffer.from(vault.seal(JSON.stringify(begun), CONTEXT), 'base64').toString('base64url');
      return { url: url.href, state };
    },

    async finish(url, state) {
      const oidc = configured();
      const begun = open(state, oidc.issuer);
      if (!begun) return 'expired';
      const back = new URL(`${begun.origin}${CALLBACK}${url.search}`);
      const configuration = await discovered(oidc);
      const tokens = await authorizationCodeGrant(configuration, back, {
        pkceCodeVerifier: begun.verifier,
        expectedState: begun.state,
        expectedNonce: begun.nonce,
        idTokenExpected: true,
      });
      const claims = tokens.claims();
      if (!claims || tokens.id_token === undefined) throw new Error('no ID token came');
      // Some put next to nothing into the token and everything there.
      const more = configuration.serverMetadata().userinfo_endpoint
        ? await fetchUserInfo(configuration, tokens.access_token, claims.sub)
        : {};
      return { claims: { ...more, ...claims }, idToken: tokens.id_token, settings: oidc };
    },

    async endUrl(idToken, origin) {
      const { oidc } = settings();
      if (!oidc) return undefined;
      const configuration = await discovered(oidc);
      if (configuration.serverMetadata().end_session_endpoint === undefined) return undefined;
      const parameters = { id_token_hint: idToken, post_logout_redirect_uri: `${origin}/` };
      return buildEndSessionUrl(configuration, parameters).href;
    },
  };
}

/** As the provider says that it wants it; the header where it says nothing. */
function authentication(secret: string | undefined): ClientAuth {
  if (secret === undefined) return None();
  const [header, body] = [ClientSecretBasic(secret), ClientSecretPost(secret)];
  return (server, client, parameters, headers) => {
    const supported = server.token_endpoint_auth_methods_supported ?? ['client_secret_basic'];
    const chosen = supported.includes('client_secret_basic') ? header : body;
    chosen(server, client, parameters, headers);
  };
}
