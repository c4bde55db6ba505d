import type { Kysely } from 'kysely';
import type { AuditLog } from '../../core/audit.ts';
import type { Vault } from '../../core/vault.ts';
import type { Store } from '../../store/store.ts';
import type { Elsewhere } from './elsewhere.ts';
import type { Lockout } from './lockout.ts';
import type { Passkeys } from './passkeys.ts';
import type { IdentityTables } from './tables.ts';
import type { SecondFactor } from './totp.ts';

export interface IdentityDeps {
  readonly store: Store;
  readonly audit: AuditLog;
  /** Seals the secrets of authenticator apps. */
  readonly vault: Vault;
  /** `$home/setup-link`. */
  readonly setupLinkFile: string;
  /** `$home/cli-token`; `agent-token` stands beside it. */
  readonly cliTokenFile: string;
  /** The system user who runs Steward; the CLI on this machine acts under this name. */
  readonly osUser: string;
  readonly node: string;
  readonly now: () => Date;
  /** Who else says who somebody is. */
  readonly elsewhere?: Elsewhere | undefined;
}

/** What the parts of identity share. */
export interface IdentityParts {
  readonly db: Kysely<IdentityTables>;
  readonly audit: AuditLog;
  readonly lockout: Lockout;
  readonly secondFactor: SecondFactor;
  readonly passkeys: Passkeys;
  readonly now: () => Date;
}
