import { sql } from 'kysely';
import type { Inventory, ResourceQuery } from '../../core/inventory.ts';
import type { InventoryWriter } from '../../core/inventory-writer.ts';
import { DEPENDENCY_KINDS, type Edge, type Resource } from '../../core/resource.ts';
import { StewardError } from '../../core/errors.ts';
import type { Store } from '../../store/store.ts';
import { type Link, reach } from './graph.ts';
import { type InventoryTables, toResource } from './tables.ts';
import { createInventoryWriter } from './writer.ts';

/** What Steward knows, for everyone to read and for discovery to write. It has no loop of its own. */
export function createInventory({ store }: { store: Pick<Store, 'db' | 'events'> }): {
  inventory: Inventory;
  writer: InventoryWriter;
} {
  return { inventory: createReader(store), writer: createInventoryWriter(store) };
}

function createReader(store: Pick<Store, 'db'>): Inventory {
  const db = store.db.withTables<InventoryTables>();

  const find = async ({ ids, kind, node, state = 'present', product }: ResourceQuery = {}): Promise<Resource[]> => {
    const rows = await db
      .selectFrom('resources')
      .selectAll()
      .$if(ids !== undefined, (query) => query.where(sql<boolean>`id = any(${[...(ids ?? [])]}::text[])`))
      .$if(kind !== undefined, (query) => query.where('kind', '=', kind ?? 'service'))
      .$if(node !== undefined, (query) => query.where('node', '=', node ?? ''))
      .$if(state !== 'all', (query) => query.where('state', '=', state === 'gone' ? 'gone' : 'present'))
      .$if(product !== undefined, (query) => query.where('product', '=', product ?? ''))
      .orderBy('name')
      .orderBy('id')
      .execute();
    return rows.map(toResource);
  };
  const get = async (id: string): Promise<Resource | undefined> => {
    const row = await db.selectFrom('resources').selectAll().where('id', '=', id).executeTakeFirst();
    return row && toResource(row);
  };
  const edges = async (): Promise<Edge[]> => {
    const rows = await db
      .selectFrom('resource_edges')
      .selectAll()
      .orderBy('from_id')
      .orderBy('to_id')
      .orderBy('kind')
      .execute();
    return rows.map((row) => ({
      from: row.from_id,
      to: row.to_id,
      kind: row.kind,
      evidence: row.evidence,
      firstSeen: row.first_seen,
      lastSeen: row.last_seen,
    }));
  };
  /** Who is asked about a hundred resources in a row, as in a storm, must not read the whole graph each time. */
  const neighbors = async (ids: readonly string[], direction: 'needs' | 'needed-by'): Promise<Link[]> => {
    const [at, to] = direction === 'needs' ? (['from_id', 'to_id'] as const) : (['to_id', 'from_id'] as const);
    return await db
      .selectFrom('resource_edges')
      .select([`${at} as at`, `${to} as to`])
      .where(sql<boolean>`${sql.ref(at)} = any(${[...ids]}::text[])`)
      .where('kind', 'in', [...DEPENDENCY_KINDS])
      .orderBy('from_id')
      .orderBy('to_id')
      .orderBy('kind')
      .execute();
  };
  const related = async (id: string, direction: 'needs' | 'needed-by'): Promise<Resource[]> => {
    const order = await reach(id, (ids) => neighbors(ids, direction));
    if (order.length === 0) return [];
    const byId = new Map((await find({ ids: order })).map((resource) => [resource.id, resource]));
    return order.flatMap((other) => byId.get(other) ?? []);
  };

  return {
    get,
    find,
    edges,
    async resolve(reference) {
      const byId = await get(reference);
      if (byId) return byId;
      const rows = await db
        .selectFrom('resources')
        .selectAll()
        .where((where) => where.or([where('name', '=', reference), where('identity', '=', reference)]))
        .execute();
      // A tombstone answers only where nothing that lives has the name.
      const living = rows.filter(({ state }) => state === 'present');
      const candidates = living.length > 0 ? living : rows;
      if (candidates.length > 1) {
        throw new StewardError(
          'CONFLICT',
          `${candidates.length} resources are called '${reference}': ${candidates.map(({ id, product, node }) => `${id} (${product} on ${node})`).join(', ')}.`,
          {
            hint: 'Use the id, or give the services names in steward.yaml.',
          },
        );
      }
      return candidates[0] && toResource(candidates[0]);
    },
    dependenciesOf: async (id) => await related(id, 'needs'),
    dependentsOf: async (id) => await related(id, 'needed-by'),
  };
}
