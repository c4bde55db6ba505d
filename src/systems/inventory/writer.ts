import { type Transaction, sql } from 'kysely';
import type { Actor } from '../../core/actor.ts';
import type { EventType } from '../../core/event.ts';
import type { InventoryWriter, ResourceChange, ScanRecord } from '../../core/inventory-writer.ts';
import type { JsonObject } from '../../core/json.ts';
import type { Edge, Resource } from '../../core/resource.ts';
import type { Store } from '../../store/store.ts';
import { type InventoryTables, toKnown, toResource, toRow } from './tables.ts';

const EVENT_OF: Partial<Record<ResourceChange['kind'], EventType>> = {
  found: 'resource.found',
  changed: 'resource.changed',
  returned: 'resource.returned',
  gone: 'resource.gone',
};
const KEEP_SCANS = 2_000;

export function createInventoryWriter(store: Pick<Store, 'db' | 'events'>): InventoryWriter {
  const db = store.db.withTables<InventoryTables>();
  return {
    async known(node) {
      return (await db.selectFrom('resources').selectAll().where('node', '=', node).execute()).map(toKnown);
    },

    async apply({ node, changes, edges, forgetEdgesBefore, scan, detail, at }) {
      await db.transaction().execute(async (trx) => {
        for (const change of changes.filter(({ kind }) => kind !== 'seen')) await writeChange(trx, change);
        const seen = changes.filter(({ kind }) => kind === 'seen').map(({ known }) => known.resource.id);
        if (seen.length > 0)
          await trx
            .updateTable('resources')
            .set({ last_seen: at, missed_scans: 0, missing_since: null })
            .where('id', 'in', seen)
            .execute();
        await writeEdges(trx, edges);
        await trx.deleteFrom('resource_edges').where('last_seen', '<', forgetEdgesBefore).execute();
        if (scan) {
          await trx
            .insertInto('discovery_scans')
            .values({
              id: scan.id,
              node,
              started_at: scan.startedAt,
              record: JSON.stringify(scan),
              detail: detail ? JSON.stringify(detail) : null,
            })
            .execute();
          await sql`delete from discovery_scans where id in (
            select id from discovery_scans where node = ${node} order by started_at desc offset ${KEEP_SCANS})`.execute(
            trx,
          );
        }
        for (const change of changes) {
          const type = EVENT_OF[change.kind];
          if (type)
            await store.events.append(trx, {
              type,
              node,
              subject: { kind: change.known.resource.kind, id: change.known.resource.id },
              data: about(change),
            });
        }
        if (scan) {
          const { found, changed, returned, gone, services, durationMs } = scan;
          await store.events.append(trx, {
            type: 'discovery.completed',
            node,
            subject: { kind: 'scan', id: scan.id },
            data: { found, changed, returned, gone, services, durationMs, blind: { ...scan.blind } },
          });
        }
      });
    },

    async seeEdges(edges) {
      await db.transaction().execute(async (trx) => await writeEdges(trx, edges));
    },

    async scans(limit, before) {
      const rows = await db
        .selectFrom('discovery_scans')
        .select('record')
        .$if(before !== undefined, (query) => query.where('started_at', '<', new Date(before ?? '')))
        .orderBy('started_at', 'desc')
        .limit(limit)
        .execute();
      return rows.map(({ record }) => toRecord(record));
    },

    async scan(id) {
      const row = await db
        .selectFrom('discovery_scans')
        .select(['record', 'detail'])
        .where('id', '=', id)
        .executeTakeFirst();
      return row && { record: toRecord(row.record), detail: row.detail ?? undefined };
    },

    async latestScans() {
      const rows = await db
        .selectFrom('discovery_scans')
        .distinctOn('node')
        .select(['record', 'detail'])
        .orderBy('node')
        .orderBy('started_at', 'desc')
        .execute();
      return rows.map(({ record, detail }) => ({ record: toRecord(record), detail: detail ?? undefined }));
    },

    async scansBetween(node, after, until) {
      const rows = await db
        .selectFrom('discovery_scans')
        .select(['record', 'detail'])
        .where('node', '=', node)
        .where('started_at', '>', after)
        .where('started_at', '<=', until)
        .orderBy('started_at')
        .execute();
      return rows.map(({ record, detail }) => ({ record: toRecord(record), detail: detail ?? undefined }));
    },

    async setAdoption(id, adoption, actor, at) {
      return await db.transaction().execute(async (trx) => await adopt(trx, { id, adoption, actor, at }));
    },
  };

  async function adopt(
    trx: Transaction<InventoryTables>,
    { id, adoption, actor }: { id: string; adoption: Resource['adoption']; actor: Actor; at: Date },
  ): Promise<Resource | undefined> {
    const before = await trx.selectFrom('resources').selectAll().where('id', '=', id).forUpdate().executeTakeFirst();
    if (!before || before.adoption === adoption) return before && toResource(before);
    const row = await trx
      .updateTable('resources')
      .set({ adoption })
      .where('id', '=', id)
      .returningAll()
      .executeTakeFirstOrThrow();
    await store.events.append(trx, {
      type: 'resource.changed',
      node: row.node,
      actor,
      subject: { kind: row.kind, id },
      data: { name: row.name, changed: ['adoption'], adoption, before: before.adoption },
    });
    return toResource(row);
  }
}

function toRecord(record: ScanRecord): ScanRecord {
  return { ...record, startedAt: new Date(record.startedAt), finishedAt: new Date(record.finishedAt) };
}

/** Adoption belongs to people: a scan leaves it as it is, except where the configuration changed it. */
async function writeChange(trx: Transaction<InventoryTables>, { kind, known, changed }: ResourceChange): Promise<void> {
  const { adoption, ...row } = toRow(known);
  if (kind === 'found') {
    await trx
      .insertInto('resources')
      .values({ ...row, adoption })
      .execute();
    return;
  }
  const { id, first_seen: _, ...values } = row;
  const owned = changed.includes('adoption') ? { ...values, adoption } : values;
  await trx.updateTable('resources').set(owned).where('id', '=', id).execute();
}

async function writeEdges(trx: Transaction<InventoryTables>, edges: readonly Edge[]): Promise<void> {
  for (const edge of edges) {
    await trx
      .insertInto('resource_edges')
      .values({
        from_id: edge.from,
        to_id: edge.to,
        kind: edge.kind,
        evidence: JSON.stringify(edge.evidence),
        first_seen: edge.firstSeen,
        last_seen: edge.lastSeen,
      })
      .onConflict((conflict) =>
        conflict.columns(['from_id', 'to_id', 'kind']).doUpdateSet((excluded) => ({
          evidence: excluded.ref('excluded.evidence'),
          last_seen: excluded.ref('excluded.last_seen'),
        })),
      )
      .execute();
  }
}

function about({ kind, known: { resource }, changed }: ResourceChange): JsonObject {
  const { name, product, version, confidence, endpoints, supervisor, adoption } = resource;
  return {
    name,
    product,
    version,
    confidence,
    endpoints,
    supervisor: supervisor.kind,
    adoption,
    ...(kind === 'changed' ? { changed } : {}),
  };
}
