import type { Actor } from './actor.ts';
import type { CheckTarget } from './check.ts';
import type { JsonObject } from './json.ts';
import type { Edge, Resource } from './resource.ts';
import type { ScanDetail } from './scan.ts';

/** A resource with what discovery needs to know it again; that part is never shown. */
export interface KnownResource {
  readonly resource: Resource;
  readonly trace: JsonObject;
  /** Scans in a row that did not see it. */
  readonly missedScans: number;
  readonly missingSince: Date | undefined;
}

/** What a scan says about one resource. The whole resource as it is from here on. */
export interface ResourceChange {
  /** seen: nothing but the time; refreshed: new process ids or evidence, nothing anyone needs to hear of. */
  readonly kind: 'found' | 'changed' | 'refreshed' | 'seen' | 'returned' | 'missing' | 'gone';
  readonly known: KnownResource;
  /** Members that changed, for the event. */
  readonly changed: readonly string[];
}

export interface ScanRecord {
  readonly id: string;
  readonly node: string;
  readonly startedAt: Date;
  readonly finishedAt: Date;
  /** change: something began or ceased to listen between two scans. */
  readonly trigger: 'schedule' | 'start' | 'request' | 'change';
  readonly services: number;
  readonly found: number;
  readonly changed: number;
  readonly returned: number;
  readonly gone: number;
  /** Sources that could not be looked at, with the reason; what only they know is not counted as missing. */
  readonly blind: Readonly<Record<string, string>>;
  readonly durationMs: number;
}

export interface StoredScan {
  readonly record: ScanRecord;
  /** Undefined for scans of before it was kept. */
  readonly detail: ScanDetail | undefined;
}

/** The inventory, for those who tell it what exists: discovery and the configuration. */
export interface InventoryWriter {
  /** Tombstones included. */
  known(node: string): Promise<KnownResource[]>;
  /** One transaction: resources, edges, the record of the scan, and the events that tell of them. */
  apply(batch: {
    readonly node: string;
    readonly changes: readonly ResourceChange[];
    readonly edges: readonly Edge[];
    readonly forgetEdgesBefore: Date;
    readonly scan?: ScanRecord | undefined;
    readonly detail?: ScanDetail | undefined;
    readonly at: Date;
  }): Promise<void>;
  /** Edges seen between scans. */
  seeEdges(edges: readonly Edge[]): Promise<void>;
  scans(limit: number, before?: string): Promise<ScanRecord[]>;
  scan(id: string): Promise<StoredScan | undefined>;
  /** The last scan of each node. */
  latestScans(): Promise<StoredScan[]>;
  /** Scans of a node that began after one instant and up to another, oldest first. */
  scansBetween(node: string, after: Date, until: Date): Promise<StoredScan[]>;
  setAdoption(id: string, adoption: Resource['adoption'], actor: Actor, at: Date): Promise<Resource | undefined>;
}

/** A service of steward.yaml, as far as the inventory cares. */
export interface ConfiguredService {
  readonly name: string;
  readonly match?:
    | {
        readonly port?: number | undefined;
        readonly unit?: string | undefined;
        readonly container?: string | undefined;
        readonly product?: string | undefined;
        readonly process?: string | undefined;
        readonly url?: string | undefined;
      }
    | undefined;
  readonly critical: boolean;
  readonly labels: Readonly<Record<string, string>>;
  readonly owner?: string | undefined;
  readonly dependsOn: readonly string[];
  /** Whom it stands for, where it is a group: by name, or by a label as key=value. */
  readonly members?: { readonly names: readonly string[]; readonly labels: readonly string[] } | undefined;
  readonly checks: readonly CheckTarget[];
  readonly restart: 'auto' | 'never' | 'process';
  /** Names of the environment variables that may be kept to start it again. */
  readonly keep?: readonly string[] | undefined;
  /** How it is started; stands before what was seen of its process. */
  readonly launch?:
    | { readonly argv: readonly string[]; readonly cwd?: string | undefined; readonly user?: string | undefined }
    | undefined;
}
