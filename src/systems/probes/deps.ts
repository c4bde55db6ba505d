import type { Check, CheckTarget } from '../../core/check.ts';
import type { Incidents } from '../../core/incident.ts';
import type { Inventory } from '../../core/inventory.ts';
import type { Log } from '../../core/log.ts';
import type { SecretResolver } from '../../core/secrets.ts';
import type { Vault } from '../../core/vault.ts';
import type { Way } from '../../../edge/handlers/probe/quorum.ts';
import type { Store } from '../../store/store.ts';

export interface ProbesSettings {
  readonly userAgent: string;
  readonly reportMs: number;
  /** host:port; of use to every place, this machine among them. */
  readonly references: readonly string[];
}

export interface ProbesDeps {
  readonly store: Pick<Store, 'db'>;
  readonly vault: Vault;
  readonly secrets: SecretResolver;
  readonly inventory: Pick<Inventory, 'get' | 'find' | 'resolve'>;
  readonly incidents: Pick<Incidents, 'open' | 'resolve' | 'unresolved' | 'byFingerprint'>;
  /** Checks of all nodes that other places look at, too. */
  readonly sharedChecks: () => Promise<readonly Check[]>;
  readonly settings: () => ProbesSettings;
  /** Whether the way from here to a target works, as far as that is known. */
  readonly wayTo: (target: CheckTarget) => Promise<Way | undefined>;
  /** Whether an address is one of the internet, of a network of one's own, or this machine. */
  readonly whereIs: (address: string) => 'outside' | 'inside' | 'here';
  /** Where places reach this Steward, as far as it is known. */
  readonly baseUrl: () => string | undefined;
  readonly keepMs: () => number;
  readonly node: { readonly id: string; readonly name: string };
  readonly now: () => Date;
  readonly log: Log;
  /** Between two looks at who is silent. */
  readonly lookMs?: number;
}
