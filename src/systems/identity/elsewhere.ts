import type { Role } from '../../core/actor.ts';
import type { SecretReference } from '../../core/secrets.ts';
import type { Log } from '../../core/log.ts';
import type { SecretResolver } from '../../core/secrets.ts';
import type { Requests } from './guarded-fetch.ts';

export interface RoleRules {
  readonly roles: readonly { readonly claim: string; readonly value: string | number | boolean; readonly role: Role }[];
  readonly defaultRole?: Role | undefined;
}

interface Guarded {
  readonly allowPrivate: boolean;
  readonly allowHttp: boolean;
}

export interface OidcSettings extends RoleRules, Guarded {
  readonly issuer: string;
  readonly name?: string | undefined;
  readonly clientId: string;
  readonly clientSecret?: SecretReference | undefined;
  readonly scopes: readonly string[];
  readonly allowedDomains?: readonly string[] | undefined;
}

export interface JwtSettings extends RoleRules, Guarded {
  readonly issuer: string;
  readonly audience: string;
  readonly jwksUrl: string;
  readonly nameClaim: string;
}

/** An identity provider for people, an issuer of tokens for programs, and the ways to reach them. */
export interface Elsewhere {
  readonly settings: () => { readonly oidc?: OidcSettings | undefined; readonly jwt?: JwtSettings | undefined };
  readonly secrets: SecretResolver;
  readonly requests: Requests;
  readonly log: Log;
}

export type Claims = Readonly<Record<string, unknown>>;

/** The role that the claims give; undefined where they give none. Who is an agent by one rule is nothing more by another. */
export function roleOf(claims: Claims, { roles, defaultRole }: RoleRules): Role | undefined {
  const given = roles.filter(({ claim, value }) => [claimAt(claims, claim)].flat().includes(value));
  if (given.some(({ role }) => role === 'agent')) return 'agent';
  return given[0]?.role ?? defaultRole;
}

/** By its own name first: some have dots and slashes in it. */
export function claimAt(claims: Claims, path: string): unknown {
  if (Object.hasOwn(claims, path)) return claims[path];
  return path.split('.').reduce<unknown>((value, step) => {
    const inside = typeof value === 'object' && value !== null && Object.hasOwn(value, step);
    return inside ? (value as Claims)[step] : undefined;
  }, claims);
}
