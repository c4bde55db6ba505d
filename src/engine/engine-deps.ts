import type { AuditLog } from '../core/audit.ts';
import type { Catalog } from '../core/catalog.ts';
import type { Confirmation, Proof } from '../core/identity.ts';
import type { Actor } from '../core/actor.ts';
import type { WholeEvent } from '../core/event.ts';
import type { Log } from '../core/log.ts';
import type { PolicyRule } from '../core/policy.ts';
import type { Ports } from '../core/ports.ts';
import type { HostPort } from '../core/ports/host.ts';
import type { SecretResolver } from '../core/secrets.ts';
import type { Inventory } from '../core/inventory.ts';
import type { Store } from '../store/store.ts';
import type { Reconciliation } from './reconciliation.ts';
import type { KillGroup, RunScope } from './children.ts';
import { DEFAULT_RUN_LIMITS, type RunLimits, SHORTEST_ROLLBACK_MS } from './limits.ts';

export interface EngineDeps {
  readonly store: Store;
  /** Asked at the moment of use: it is filled after the engine is made. */
  readonly catalog: () => Catalog;
  /** The ports of this node, for one run; what is absent does not exist here. */
  readonly ports: (scope: RunScope) => Partial<Ports>;
  /** What a run's target is looked up in. */
  readonly inventory: Inventory;
  readonly audit: AuditLog;
  readonly log: Log;
  readonly now: () => Date;
  readonly node: {
    readonly id: string;
    readonly name: string;
    readonly version: string;
    readonly labels?: Readonly<Record<string, string>>;
  };
  /** The configuration's rows and then the defaults; the first that matches decides. */
  readonly policyRules: () => readonly PolicyRule[];
  /** Folder for artifacts. */
  readonly artifacts: string;
  readonly killGroup: KillGroup;
  readonly secrets: SecretResolver;
  /** Has a person show once more that it is them; without it nothing that destroys can be approved. */
  readonly confirm?:
    | ((request: {
        readonly actor: Actor;
        readonly proof: Proof;
        readonly purpose: string;
        readonly from: string;
      }) => Promise<Confirmation>)
    | undefined;
  /** In words, the newest state of a resource that is known to restore; undefined where there is none. */
  readonly recoveryPointOf?: ((resourceId: string) => Promise<string | undefined>) | undefined;
  /** Of the ports that this node gives those that can really be used; all of them where it is left out. */
  readonly usablePorts?: ((given: readonly string[]) => Promise<readonly string[]>) | undefined;
  /** What a node that joins is given along; without it none can be invited. */
  readonly handOver?: { readonly vaultKey: string; readonly publicUrl: () => string | undefined } | undefined;
  /** Somebody removed another node for good: what is known of that machine is over. */
  readonly onNodeRemoved?: ((node: { readonly id: string; readonly name: string }) => Promise<void>) | undefined;
  /** Somebody removed this very node while it was away: it belongs to nobody any more and has to end. */
  readonly onRemoved?: (() => void) | undefined;
  /** What workflows are started by, wait for and are told; as events are where it is left out. */
  readonly wholeEvent?: WholeEvent | undefined;
  /** What ran by the clock is not what should have run. */
  readonly onScheduleDifference?: ((report: Reconciliation) => Promise<void>) | undefined;
  /** What this machine has left: heavy work waits for it. Without it, it begins at once. */
  readonly host?: Pick<HostPort, 'sample'> | undefined;
  /** Bytes that one program may use, in force right now. */
  readonly programMemory?: (() => number) | undefined;
  readonly settings?: Partial<EngineSettings> | undefined;
  /** Limits that somebody has set, asked for each run anew. */
  readonly runLimits?: (() => Partial<RunLimits>) | undefined;
  /** Asked at each clean-up: the configuration may change. */
  readonly retention?: (() => Retention) | undefined;
}

/** How long finished runs, and events, are kept. */
export interface Retention {
  readonly runsMs: number;
  readonly eventsMs: number;
}

export const DEFAULT_RETENTION: Retention = { runsMs: 90 * 86_400_000, eventsMs: 30 * 86_400_000 };

export interface EngineSettings {
  /** How long a proposal waits for an answer. */
  readonly approvalMs: number;
  /** How long a run waits for its locks. */
  readonly lockMs: number;
  readonly leaseMs: number;
  /** How long what was asked for waits for its node to begin it. */
  readonly deadlineMs: number;
  /** How long a run may work, by class. */
  readonly run: RunLimits;
  /** What a rollback may take where the run's own limit is shorter. */
  readonly rollbackMs: number;
  readonly heartbeatMs: number;
  readonly lostAfterMs: number;
}

export const DEFAULT_SETTINGS: EngineSettings = {
  approvalMs: 24 * 3_600_000,
  lockMs: 30 * 60_000,
  leaseMs: 30_000,
  deadlineMs: 24 * 3_600_000,
  run: DEFAULT_RUN_LIMITS,
  rollbackMs: SHORTEST_ROLLBACK_MS,
  heartbeatMs: 2_000,
  lostAfterMs: 8_000,
};
