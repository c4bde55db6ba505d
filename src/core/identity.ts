import { z } from 'zod';
import type { Actor } from './actor.ts';
import type { JsonObject } from './json.ts';
import { secretInput } from './secret-input.ts';

/** What a request brings to say who it is. */
export interface Credentials {
  /** What stands behind `Bearer` in the Authorization header. */
  readonly bearer?: string | undefined;
  /** The secret of a session, from its cookie. */
  readonly session?: string | undefined;
  readonly from: string;
}

export interface SignedIn {
  readonly actor: Actor;
  /** The secret that goes into the cookie; stored nowhere. */
  readonly session: string;
  readonly expiresAt: Date;
}

/** How a person who is signed in shows once more that it is them. */
export const Proof = secretInput(
  z.union([
    z.strictObject({
      password: z.string().min(1).max(1_000).describe('The password of whoever is signed in.'),
      code: z.string().max(20).optional().describe('The code of the authenticator app, where one is enrolled.'),
    }),
    z.strictObject({
      passkey: z.record(z.string(), z.json()).describe("The authenticator's answer to the challenge for this purpose."),
    }),
  ]),
);
export type Proof = z.output<typeof Proof>;

/** That a person was there, at that moment, for that purpose. */
export interface Confirmation {
  readonly method: 'password' | 'passkey';
  readonly purpose: string;
  readonly at: Date;
}

/** What an approval is confirmed for: this plan of this run and nothing else. */
export const approvalPurpose = (runId: string, planHash: string): string => `approve:${runId}:${planHash}`;

/** What a person who is not signed in is offered. */
export const WaysIn = z.object({
  setUpPending: z.boolean().describe('Whether the first admin is still to be created.'),
  passkey: z.boolean().describe('Whether somebody has a passkey for this address.'),
  provider: z.string().optional().describe('The identity provider, as people know it, where one is configured.'),
});
export type WaysIn = z.output<typeof WaysIn>;

/** Why somebody who came back from the identity provider is not let in. */
export type SignInProblem = 'refused' | 'expired' | 'no-role' | 'domain' | 'disabled' | 'unreachable';

/** Who asks. Surfaces let nobody in whom it does not name. */
export interface Identity {
  /**
   * Undefined where nothing was brought. UNAUTHENTICATED where the credential is unknown, expired or revoked,
   * RATE_LIMITED where its sender failed too often.
   */
  authenticate(credentials: Credentials): Promise<Actor | undefined>;
  waysIn(request: { readonly origin: string }): Promise<WaysIn>;
  /** CONFIRMATION_REQUIRED where the password is right and a code of the authenticator app is needed, too. */
  login(request: {
    readonly name: string;
    readonly password: string;
    /** Of the authenticator app, or a recovery code. */
    readonly code?: string | undefined;
    readonly from: string;
    readonly userAgent?: string | undefined;
  }): Promise<SignedIn>;
  /** What a browser needs to sign in with a passkey. PRECONDITION_FAILED where it allows none at this address. */
  passkeyChallenge(request: { readonly origin: string }): Promise<JsonObject>;
  loginWithPasskey(request: {
    readonly response: unknown;
    readonly from: string;
    readonly userAgent?: string | undefined;
  }): Promise<SignedIn>;
  /** Where to send a browser so that the identity provider says who it is. NOT_FOUND where none is configured. */
  beginProvider(request: { readonly origin: string }): Promise<{
    readonly url: string;
    /** For the browser to keep until it comes back; nobody else can read or change it. */
    readonly state: string;
  }>;
  /** What the provider sent the browser back with. A problem is for the page to put into words; the record has the details. */
  finishProvider(request: {
    readonly url: URL;
    readonly state: string | undefined;
    readonly from: string;
    readonly userAgent?: string | undefined;
  }): Promise<SignedIn | { readonly problem: SignInProblem }>;
  /** With an address where the browser signs out of the identity provider as well, where that offers it. */
  logout(session: string, request: { readonly origin: string }): Promise<{ readonly redirect?: string | undefined }>;
  /** UNAUTHENTICATED where the proof is wrong, FORBIDDEN where the actor is no person who is signed in; failures count as those of a sign-in. */
  confirm(request: {
    readonly actor: Actor;
    readonly proof: Proof;
    readonly purpose: string;
    readonly from: string;
  }): Promise<Confirmation>;
  /** True until the first admin exists. */
  setUpPending(): Promise<boolean>;
  /** Creates the first admin, once, for whoever has the set-up link. */
  setUp(request: {
    readonly token: string;
    readonly name: string;
    readonly password: string;
    readonly from: string;
    readonly userAgent?: string | undefined;
  }): Promise<SignedIn>;
}
