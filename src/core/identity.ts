import type { Actor } from './actor.ts';

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

/** Who asks. Surfaces let nobody in whom it does not name. */
export interface Identity {
  /**
   * Undefined where nothing was brought. UNAUTHENTICATED where the credential is unknown, expired or revoked,
   * RATE_LIMITED where its sender failed too often.
   */
  authenticate(credentials: Credentials): Promise<Actor | undefined>;
  login(request: {
    readonly name: string;
    readonly password: string;
    readonly from: string;
    readonly userAgent?: string | undefined;
  }): Promise<SignedIn>;
  logout(session: string): Promise<void>;
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
