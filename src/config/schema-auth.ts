import { z } from 'zod';
import { Role } from '../core/actor.ts';
import { isLoopback } from './loopback.ts';
import { address, secret } from './schema-parts.ts';

const roles = z
  .array(
    z.strictObject({
      claim: z
        .string()
        .min(1)
        .max(200)
        .describe(
          'Name of the claim, or the path to it: groups, or realm_access.roles. A list matches where it has the value.',
        ),
      value: z.union([z.string().max(500), z.number(), z.boolean()]).describe('What the claim must be, or contain.'),
      role: Role.describe('The role that it gives.'),
    }),
  )
  .max(100)
  .default([])
  .describe('Which claims give which role. The first rule that matches decides; one that gives agent always does.');

const defaultRole = Role.optional().describe('The role where no rule matches. Without it nobody gets in that way.');

const allowPrivate = z.boolean().default(false).describe('Allow addresses in a private network or on this machine.');

const allowHttp = z
  .boolean()
  .default(false)
  .describe('Allow http for an issuer on this machine: for trying things out.');

interface Guarded {
  readonly allowHttp: boolean;
  readonly allowPrivate: boolean;
}

function encrypted<T extends Guarded>(names: readonly (keyof T & string)[]) {
  return (value: T, context: z.core.$RefinementCtx<T>): void => {
    for (const name of names) {
      const url = URL.parse(String(value[name]));
      if (url?.protocol !== 'http:' || (value.allowHttp && isLoopback(url.hostname))) continue;
      context.addIssue({
        code: 'custom',
        path: [name],
        message: 'expected an https address; http is for an issuer on this machine, with allowHttp: true',
      });
    }
  };
}

const Oidc = z
  .strictObject({
    issuer: address.describe('The issuer, as its discovery document says: https://login.example.org/realms/main.'),
    name: z.string().min(1).max(60).optional().describe('What people know it as; by default its host name.'),
    clientId: z.string().min(1).max(300).describe('How Steward is registered there.'),
    clientSecret: secret.optional().describe('The secret that goes with it; a public client has none.'),
    scopes: z
      .array(z.string().regex(/^[\x21\x23-\x5b\x5d-\x7e]+$/, 'expected a scope without spaces'))
      .default(['profile', 'email'])
      .describe('What is asked for besides openid.'),
    roles,
    defaultRole,
    allowedDomains: z
      .array(z.string().min(1).max(253).toLowerCase())
      .min(1)
      .optional()
      .describe('Only people whose verified e-mail address is of one of these domains.'),
    allowPrivate,
    allowHttp,
  })
  .superRefine(encrypted(['issuer']));

const Jwt = z
  .strictObject({
    issuer: z.string().min(1).max(500).describe('What the claim iss must be, to the letter.'),
    audience: z
      .string()
      .min(1)
      .max(500)
      .describe('What the claim aud must be or contain: the name of this Steward there.'),
    jwksUrl: address.describe('Where the public keys of the issuer are.'),
    nameClaim: z.string().min(1).max(200).default('sub').describe('The claim that is shown as the name.'),
    roles,
    defaultRole,
    allowPrivate,
    allowHttp,
  })
  .superRefine(encrypted(['jwksUrl']));

/** Who besides Steward itself says who somebody is. */
export const Auth = z.strictObject({
  oidc: Oidc.optional().describe('People sign in through this identity provider (OpenID Connect).'),
  jwt: Jwt.optional().describe('Programs send tokens of this issuer as bearer tokens (JWT).'),
});
