import { type ColumnType, type Kysely, sql } from 'kysely';
import type { JsonObject } from '../../core/json.ts';
import type { Edge, Evidence, Resource } from '../../core/resource.ts';
import type { KnownResource, ScanRecord } from '../../core/inventory-writer.ts';
import type { ScanDetail } from '../../core/scan.ts';
import type { Migration } from '../../store/migrator.ts';

/** Everything of a resource that no query filters by. */
export type ResourceBody = Pick<
  Resource,
  | 'version'
  | 'confidence'
  | 'evidence'
  | 'endpoints'
  | 'pids'
  | 'supervisor'
  | 'owner'
  | 'labels'
  | 'declared'
  | 'published'
>;

type Stored<T> = ColumnType<T, string, string>;

export type InventoryTables = {
  resources: {
    id: string;
    kind: Resource['kind'];
    identity: string;
    node: string;
    name: string;
    product: string;
    critical: boolean;
    adoption: Resource['adoption'];
    origin: Resource['origin'];
    state: Resource['state'];
    body: Stored<ResourceBody>;
    trace: Stored<JsonObject>;
    missed_scans: number;
    missing_since: Date | null;
    first_seen: Date;
    last_seen: Date;
    gone_since: Date | null;
  };
  resource_edges: {
    from_id: string;
    to_id: string;
    kind: Edge['kind'];
    evidence: Stored<Evidence[]>;
    first_seen: Date;
    last_seen: Date;
  };
  discovery_scans: {
    id: string;
    node: string;
    started_at: Date;
    record: Stored<ScanRecord>;
    detail: ColumnType<ScanDetail | null, string | null, string | null>;
  };
};

export const inventoryMigrations: Migration[] = [
  {
    name: 'inventory/0001-resources',
    async up(db: Kysely<unknown>) {
      await sql`create table resources (
        id text primary key,
        kind text not null,
        identity text not null,
        node text not null,
        name text not null,
        product text not null,
        critical boolean not null,
        adoption text not null,
        origin text not null,
        state text not null,
        body jsonb not null,
        trace jsonb not null,
        missed_scans integer not null,
        missing_since timestamptz,
        first_seen timestamptz not null,
        last_seen timestamptz not null,
        gone_since timestamptz,
        unique (node, kind, identity))`.execute(db);
      await sql`create index resources_name on resources (name)`.execute(db);
      await sql`create table resource_edges (
        from_id text not null references resources on delete cascade,
        to_id text not null references resources on delete cascade,
        kind text not null,
        evidence jsonb not null,
        first_seen timestamptz not null,
        last_seen timestamptz not null,
        primary key (from_id, to_id, kind))`.execute(db);
      await sql`create table discovery_scans (
        id text primary key,
        node text not null,
        started_at timestamptz not null,
        record jsonb not null)`.execute(db);
      await sql`create index discovery_scans_started on discovery_scans (started_at desc)`.execute(db);
    },
  },
  {
    name: 'inventory/0002-what-scans-noticed',
    async up(db: Kysely<unknown>) {
      await sql`alter table discovery_scans add column detail jsonb`.execute(db);
    },
  },
  {
    name: 'inventory/0003-who-needs-it',
    async up(db: Kysely<unknown>) {
      await sql`create index resource_edges_to on resource_edges (to_id)`.execute(db);
    },
  },
];

type ResourceRow = {
  [Column in keyof InventoryTables['resources']]: InventoryTables['resources'][Column] extends ColumnType<
    infer Selected,
    string,
    string
  >
    ? Selected
    : InventoryTables['resources'][Column];
};

export function toResource(row: ResourceRow): Resource {
  return {
    id: row.id,
    kind: row.kind,
    identity: row.identity,
    node: row.node,
    name: row.name,
    product: row.product,
    critical: row.critical,
    adoption: row.adoption,
    origin: row.origin,
    state: row.state,
    ...row.body,
    firstSeen: row.first_seen,
    lastSeen: row.last_seen,
    ...(row.gone_since ? { goneSince: row.gone_since } : {}),
  };
}

export function toKnown(row: ResourceRow): KnownResource {
  return {
    resource: toResource(row),
    trace: row.trace,
    missedScans: row.missed_scans,
    missingSince: row.missing_since ?? undefined,
  };
}

export function toRow({ resource, trace, missedScans, missingSince }: KnownResource): {
  [Column in keyof InventoryTables['resources']]: InventoryTables['resources'][Column] extends ColumnType<
    unknown,
    infer Inserted
  >
    ? Inserted
    : InventoryTables['resources'][Column];
} {
  const { version, confidence, evidence, endpoints, pids, supervisor, owner, labels, declared, published } = resource;
  const body: ResourceBody = {
    version,
    confidence,
    evidence,
    endpoints,
    pids,
    supervisor,
    owner,
    labels,
    declared,
    published,
  };
  return {
    id: resource.id,
    kind: resource.kind,
    identity: resource.identity,
    node: resource.node,
    name: resource.name,
    product: resource.product,
    critical: resource.critical,
    adoption: resource.adoption,
    origin: resource.origin,
    state: resource.state,
    body: JSON.stringify(body),
    trace: JSON.stringify(trace),
    missed_scans: missedScans,
    missing_since: missingSince ?? null,
    first_seen: resource.firstSeen,
    last_seen: resource.lastSeen,
    gone_since: resource.goneSince ?? null,
  };
}
