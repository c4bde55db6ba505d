import { type Kysely, type Selectable, sql } from 'kysely';
import { StewardError } from '../core/errors.ts';
import type { EventType } from '../core/event.ts';
import type { Log } from '../core/log.ts';
import type { NodeRecord } from '../core/node.ts';
import type { Store } from '../store/store.ts';
import type { EngineDeps, EngineSettings } from './engine-deps.ts';
import type { EngineTables } from './tables.ts';

export interface Nodes {
  join(): Promise<void>;
  /** Says that this node lives, and declares dead, once, who was silent for too long. */
  beat(): Promise<void>;
  beatFor(id: string): Promise<NodeRecord>;
  leave(): Promise<void>;
  list(): Promise<NodeRecord[]>;
  /** Declared dead and not back. */
  lost(): Promise<string[]>;
  idOf(reference: string): Promise<string>;
}

interface NodesDeps extends Pick<EngineDeps, 'now' | 'node'> {
  readonly store: Store;
  readonly log: Log;
  readonly limits: EngineSettings;
  readonly onLost: (nodeId: string) => Promise<void>;
}

export function createNodes({ store, log, now, node, limits, onLost }: NodesDeps): Nodes {
  const db: Kysely<EngineTables> = store.db.withTables<EngineTables>();
  // After an outage of the database everyone was silent, so everyone gets time to speak again.
  let graceUntil = 0;
  store.onAvailability((available) => {
    if (available) graceUntil = now().getTime() + 2 * limits.lostAfterMs;
  });

  async function say(id: string): Promise<NodeRecord> {
    return await db.transaction().execute(async (trx) => {
      const before = await trx.selectFrom('nodes').selectAll().where('id', '=', id).forUpdate().executeTakeFirst();
      if (!before)
        throw new StewardError('NOT_FOUND', `There is no node ${id}.`, {
          hint: 'A node joins by starting Steward on the same database.',
        });
      const row = await trx
        .updateTable('nodes')
        .set({ last_heartbeat: now(), state: 'alive' })
        .where('id', '=', id)
        .returningAll()
        .executeTakeFirstOrThrow();
      if (before.state === 'lost') await announce(trx, 'node.returned', row);
      return toNode(row);
    });
  }

  async function announce(
    trx: Parameters<Store['events']['append']>[0],
    type: EventType,
    row: Pick<Selectable<EngineTables['nodes']>, 'id' | 'name'>,
  ): Promise<void> {
    await store.events.append(trx, {
      type,
      subject: { kind: 'node', id: row.id },
      data: { node: row.id, name: row.name },
      node: node.id,
    });
  }

  async function declareLost(): Promise<string[]> {
    const at = now().getTime();
    if (at < graceUntil) return [];
    return await db.transaction().execute(async (trx) => {
      // One node declares another dead; the others find it done.
      const gone = await trx
        .updateTable('nodes')
        .set({ state: 'lost' })
        .where('state', '=', 'alive')
        .where('id', '!=', node.id)
        .where('last_heartbeat', '<', new Date(at - limits.lostAfterMs))
        .returning(['id', 'name'])
        .execute();
      for (const row of gone) await announce(trx, 'node.lost', row);
      return gone.map(({ id }) => id);
    });
  }

  return {
    async join() {
      const at = now();
      await db.transaction().execute(async (trx) => {
        const known = await trx
          .selectFrom('nodes')
          .select('state')
          .where('id', '=', node.id)
          .forUpdate()
          .executeTakeFirst();
        const values = {
          name: node.name,
          version: node.version,
          labels: JSON.stringify(node.labels ?? {}),
          state: 'alive' as const,
          started_at: at,
          last_heartbeat: at,
        };
        await trx
          .insertInto('nodes')
          .values({ id: node.id, ...values })
          .onConflict((conflict) => conflict.column('id').doUpdateSet(values))
          .execute();
        if (!known) await announce(trx, 'node.joined', node);
        else if (known.state === 'lost') await announce(trx, 'node.returned', node);
      });
      graceUntil = at.getTime() + 2 * limits.lostAfterMs;
    },
    async beat() {
      await say(node.id);
      for (const id of await declareLost()) {
        log.warn('node is silent', { node: id });
        await onLost(id);
      }
    },
    beatFor: say,
    async leave() {
      await db.updateTable('nodes').set({ state: 'left', last_heartbeat: now() }).where('id', '=', node.id).execute();
    },
    list: async () => (await db.selectFrom('nodes').selectAll().orderBy('name').execute()).map(toNode),
    lost: async () =>
      (await db.selectFrom('nodes').select('id').where('state', '=', 'lost').where('id', '!=', node.id).execute()).map(
        ({ id }) => id,
      ),
    async idOf(reference) {
      const row = await db
        .selectFrom('nodes')
        .select('id')
        .where((where) => where.or([where('id', '=', reference), where('name', '=', reference)]))
        .orderBy(sql`id = ${reference}`, 'desc')
        .executeTakeFirst();
      return row?.id ?? node.id;
    },
  };
}

function toNode(row: Selectable<EngineTables['nodes']>): NodeRecord {
  return {
    id: row.id,
    name: row.name,
    version: row.version,
    labels: row.labels,
    state: row.state,
    draining: false,
    runsInFlight: 0,
    ...(row.address !== null && { address: row.address }),
    startedAt: row.started_at,
    lastHeartbeat: row.last_heartbeat,
  };
}
