// Where requests go, as an operator describes it, and the same made ready for many requests.

/** One way through the gateway. */
export interface Route {
  /** Unique; what traces and counters call it. */
  readonly name: string;
  /** In lower case, without a port; `*.example.org` is every host below it. Nothing is every host. */
  readonly host?: string;
  /** Matches itself and what is below it: /api matches /api and /api/x, not /apix. The longest one that matches decides. */
  readonly path: string;
  /** In upper case. Nothing is every method. */
  readonly methods?: readonly string[];
  /** Name of the upstream. */
  readonly upstream: string;
  /** What stands in place of `path` at the upstream; / takes it off. Nothing leaves the path as it is. */
  readonly rewrite?: string;
  /** Ways to say who one is, tried in order. None at all: everybody may come. */
  readonly auth: readonly Auth[];
  /** Who shows no credentials may come all the same, as nobody. Wrong ones are refused even so. */
  readonly anonymous: boolean;
  /** All of them are needed: those of an API key, or of the claim `scope` of a token. */
  readonly scopes: readonly string[];
  readonly limits: Limits;
  /** Counted and traced as if they were in force. */
  readonly shadow?: Partial<Limits>;
  readonly cors?: Cors;
  readonly maxBodyBytes: number;
  readonly timeoutMs: number;
  readonly request: Transform;
  readonly query: Transform;
  readonly response: Transform;
}

/** Headers by their names in lower case, or parameters of the query. */
export interface Transform {
  readonly set: Readonly<Record<string, string>>;
  readonly drop: readonly string[];
}

export interface Limits {
  /** Requests a minute of one address that shows no good credentials. */
  readonly anonymous: number;
  /** Wrong credentials a minute of one address; after that only known ones are taken from there. */
  readonly failures: number;
  /** Requests a minute of one user, by plan; -1 is without a limit. */
  readonly plans: Readonly<Record<string, number>>;
  /** The plan of who names none, or one that is not in `plans`. */
  readonly defaultPlan: string;
  /** Beside the minute, of one user: what may come at once, what in a day. In each of them there has to be room. */
  readonly windows?: readonly Window[];
  /** gateway: one count for all routes with this scope. route: this route counts for itself. */
  readonly per: 'gateway' | 'route';
}

export interface Window {
  readonly ms: number;
  /** As the operator says it: 1d. */
  readonly name: string;
  /** -1 is without a limit, and so is a plan that is not named. */
  readonly plans: Readonly<Record<string, number>>;
}

export interface Cors {
  /** Exact origins; `*` is every one, and then without credentials. */
  readonly origins: readonly string[];
  readonly methods: readonly string[];
  readonly headers: readonly string[];
  readonly expose: readonly string[];
  readonly credentials: boolean;
  readonly maxAgeSeconds: number;
}

export type Auth = JwtAuth | KeysAuth | RemoteAuth;

export const ALGORITHMS = ['HS256', 'RS256', 'ES256', 'EdDSA'] as const;
export type Algorithm = (typeof ALGORITHMS)[number];

/** Whoever has a token can try shorter ones until one fits. */
export const SHORTEST_SECRET = 32;

/** Tokens of an issuer, verified here. */
export interface JwtAuth {
  readonly is: 'jwt';
  readonly issuer: string;
  readonly audience: string;
  readonly algorithms: readonly Algorithm[];
  /** Where the public keys are. */
  readonly jwksUrl?: string;
  /** For HS256 alone, 32 bytes at least. All of them are good: the old one and the new one during a rotation. */
  readonly secrets: readonly string[];
  /** There are more than could be read: what none of these signed may be good all the same. */
  readonly incomplete?: boolean;
  readonly toleranceSeconds: number;
  /** Its name, or the path to it: app_metadata.user. */
  readonly userClaim: string;
  readonly planClaim: string;
}

/** Keys that the operator gave out, known by their digests alone. */
export interface KeysAuth {
  readonly is: 'keys';
  /** The header that carries the key, in lower case; in `authorization` it stands after Bearer. */
  readonly header: string;
  readonly keys: readonly ApiKey[];
}

export interface ApiKey {
  /** What it is called where it must be named: never the key. */
  readonly id: string;
  /** Of the key in UTF-8, in lower-case hexadecimal. */
  readonly sha256: string;
  readonly user: string;
  readonly plan?: string;
  readonly scopes: readonly string[];
}

/** Somebody else says whether a token is good: POST {token} answers {user_id, plan}. */
export interface RemoteAuth {
  readonly is: 'remote';
  readonly url: string;
  /** How long a yes is believed, at most 60 s. */
  readonly goodMs: number;
  readonly badMs: number;
  readonly timeoutMs: number;
}
