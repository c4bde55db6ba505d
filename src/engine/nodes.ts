import { type Kysely, type Selectable, sql } from 'kysely';
import type { Catalog } from '../core/catalog.ts';
import { StewardError } from '../core/errors.ts';
import type { EventType } from '../core/event.ts';
import type { JsonObject } from '../core/json.ts';
import type { Log } from '../core/log.ts';
import type { NodeRecord } from '../core/node.ts';
import type { Store } from '../store/store.ts';
import type { EngineDeps, EngineSettings } from './engine-deps.ts';
import { createSilence, type Silence } from './silence.ts';
import type { EngineTables } from './tables.ts';

export type NodeRow = Selectable<EngineTables['nodes']>;
type Trx = Parameters<Store['events']['append']>[0];

/** Rung when somebody changed what a node is to do. */
export const NODES_CHANNEL = 'steward_nodes';
/** Clocks that differ by more make logs and schedules hard to follow. Nothing is decided by them. */
export const SKEW_WORTH_TELLING_MS = 2_000;
const KEEP_SKEW_TOLD_MS = 3_600_000;
/** Longer than a restart or an update. */
const STOPPED_FOR_MS = 120_000;

export interface Nodes {
  join(): Promise<void>;
  /** Says that this node lives, and declares dead, once, who was silent for too long. */
  beat(): Promise<void>;
  beatFor(id: string): Promise<NodeRecord>;
  leave(): Promise<void>;
  list(): Promise<NodeRecord[]>;
  get(id: string): Promise<NodeRecord>;
  /** Declared dead and not back, or stopped a while ago: others go on with what need not happen there. */
  lost(): Promise<string[]>;
  /** Those that are lost, and those that were stopped. */
  absent(): Promise<ReadonlySet<string>>;
  idOf(reference: string): Promise<string>;
  /** By id, or by name; NOT_FOUND. Of two with one name the one that lives. */
  find(reference: string): Promise<NodeRow>;
  /** Whether this node takes no new work, as of its last beat. */
  draining(): boolean;
  /** Others that drain: what has not begun there may begin here. */
  drainingOthers(): Promise<string[]>;
  /** What this node has, as of its last beat. */
  own(): { readonly labels: Readonly<Record<string, string>>; readonly ports: readonly string[] };
}

export interface NodesDeps extends Pick<EngineDeps, 'now' | 'node'> {
  readonly store: Store;
  readonly log: Log;
  readonly limits: EngineSettings;
  readonly onLost: (nodeId: string) => Promise<void>;
  /** The store has forgotten this node: somebody removed it while it was away. */
  readonly onRemoved?: (() => void) | undefined;
  readonly catalog?: (() => Catalog) | undefined;
  /** Asked now and then: which ports can be used here. */
  readonly ports?: (() => Promise<readonly string[]>) | undefined;
  readonly monotonic?: (() => number) | undefined;
}

/** All instants are the database's: the clocks of the nodes differ, and nobody is declared dead for that. */
const NOW = sql<Date>`clock_timestamp()`;

export function createNodes(deps: NodesDeps): Nodes {
  const { store, log, now, node, limits, onLost } = deps;
  const db: Kysely<EngineTables> = store.db.withTables<EngineTables>();
  const silence: Silence = createSilence({ lostAfterMs: limits.lostAfterMs, monotonic: deps.monotonic });
  let skewMs: number | null = null;
  let skewTold = 0;
  let drains = false;
  let own: ReturnType<Nodes['own']> = { labels: node.labels ?? {}, ports: [] };
  store.onAvailability((available) => {
    if (available) silence.excuse();
  });

  async function announce(trx: Trx, type: EventType, row: Pick<NodeRow, 'id' | 'name'>, data: JsonObject = {}) {
    await store.events.append(trx, {
      type,
      subject: { kind: 'node', id: row.id },
      data: { node: row.id, name: row.name, ...data },
      node: node.id,
    });
  }

  /** The row after the beat; its instant is the database's. */
  async function say(id: string, more: { clock_skew_ms?: number | null } = {}): Promise<NodeRow> {
    const beaten = await db
      .updateTable('nodes')
      .set({ last_heartbeat: NOW, ...more })
      .where('id', '=', id)
      .where('state', '=', 'alive')
      .returningAll()
      .executeTakeFirst();
    return beaten ?? (await sayAgain(id));
  }

  async function sayAgain(id: string): Promise<NodeRow> {
    return await db.transaction().execute(async (trx) => {
      const before = await trx.selectFrom('nodes').select('state').where('id', '=', id).forUpdate().executeTakeFirst();
      if (!before)
        throw new StewardError('NOT_FOUND', `There is no node ${id}.`, {
          hint: 'See steward nodes; one more joins by invitation: steward node invite.',
        });
      const row = await trx
        .updateTable('nodes')
        .set({ last_heartbeat: NOW, state: 'alive' })
        .where('id', '=', id)
        .returningAll()
        .executeTakeFirstOrThrow();
      if (before.state === 'lost') await announce(trx, 'node.returned', row);
      return row;
    });
  }

  /** This node's own beat; tells by how much its clock is off. */
  async function sayOwn(): Promise<NodeRow> {
    const sent = now().getTime();
    const row = await say(node.id, { clock_skew_ms: skewMs });
    const received = now().getTime();
    const there = row.last_heartbeat.getTime();
    silence.heard(there);
    const skew = Math.round((sent + received) / 2 - there);
    // What the answer was under way explains.
    skewMs = Math.abs(skew) <= (received - sent) / 2 ? 0 : skew;
    if (Math.abs(skewMs) > SKEW_WORTH_TELLING_MS && sent - skewTold > KEEP_SKEW_TOLD_MS) {
      skewTold = sent;
      log.warn('clock differs from the clock of the database', { skewMs });
    }
    drains = row.draining;
    own = { labels: labelsOf(row), ports: row.ports };
    return row;
  }

  async function declareLost(): Promise<string[]> {
    if (!silence.counts()) return [];
    const deadline = sql<Date>`clock_timestamp() - ${`${limits.lostAfterMs} milliseconds`}::interval`;
    const silent = await db
      .selectFrom('nodes')
      .select('id')
      .where('state', '=', 'alive')
      .where('id', '!=', node.id)
      .where('last_heartbeat', '<', deadline)
      .execute();
    if (silent.length === 0) return [];
    return await db.transaction().execute(async (trx) => {
      // One node declares another dead; the others find it done. Whoever has spoken meanwhile lives.
      const gone = await trx
        .updateTable('nodes')
        .set({ state: 'lost' })
        .where('state', '=', 'alive')
        .where('id', '!=', node.id)
        .where('last_heartbeat', '<', deadline)
        .returning(['id', 'name'])
        .execute();
      for (const row of gone) await announce(trx, 'node.lost', row);
      return gone.map(({ id }) => id);
    });
  }

  /** Told once, when nothing is under way on a node that drains. */
  async function tellDrained(): Promise<void> {
    if ((await inFlight(db, node.id)).get(node.id) !== undefined) return;
    await db.transaction().execute(async (trx) => {
      const row = await trx
        .updateTable('nodes')
        .set({ drained_at: NOW })
        .where('id', '=', node.id)
        .where('draining', '=', true)
        .where('drained_at', 'is', null)
        .returning(['id', 'name'])
        .executeTakeFirst();
      if (!row) return;
      await announce(trx, 'node.drained', row);
      await sql`select pg_notify(${NODES_CHANNEL}, ${row.id})`.execute(trx);
    });
  }

  async function records(rows: readonly NodeRow[]): Promise<NodeRecord[]> {
    const busy = await inFlight(db);
    return rows.map((row) => toNode(row, busy.get(row.id) ?? 0));
  }

  const nodes: Nodes = {
    async join() {
      const ports = (await deps.ports?.()) ?? [];
      const automations = [...(deps.catalog?.().automations.values() ?? [])].map(({ name, version }) => [
        name,
        version,
      ]);
      await db.transaction().execute(async (trx) => {
        const twin = await trx
          .selectFrom('nodes')
          .select('id')
          .where('name', '=', node.name)
          .where('id', '!=', node.id)
          .where('state', '=', 'alive')
          .executeTakeFirst();
        if (twin)
          throw new StewardError('CONFLICT', `Another node (${twin.id}) is called ${node.name}, too.`, {
            hint: 'Give this one a name of its own: STEWARD_NODE_NAME, or node.name in steward.yaml.',
          });
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
          started_at: NOW,
          last_heartbeat: NOW,
          ports: JSON.stringify(ports),
          automations: JSON.stringify(Object.fromEntries(automations)),
        };
        const row = await trx
          .insertInto('nodes')
          .values({ id: node.id, ...values })
          .onConflict((conflict) => conflict.column('id').doUpdateSet(values))
          .returningAll()
          .executeTakeFirstOrThrow();
        drains = row.draining;
        own = { labels: labelsOf(row), ports: row.ports };
        if (!known) await announce(trx, 'node.joined', node);
        else if (known.state === 'lost') await announce(trx, 'node.returned', node);
      });
      silence.excuse();
    },
    async beat() {
      let row: NodeRow;
      try {
        row = await sayOwn();
      } catch (thrown) {
        if (StewardError.from(thrown).code === 'NOT_FOUND') deps.onRemoved?.();
        throw thrown;
      }
      if (row.draining && row.drained_at === null) await tellDrained();
      for (const id of await declareLost()) {
        log.warn('node is silent', { node: id });
        await onLost(id);
      }
    },
    beatFor: async (id) => (await records([await say(id)]))[0] as NodeRecord,
    async leave() {
      await db.transaction().execute(async (trx) => {
        const row = await trx
          .updateTable('nodes')
          .set({ state: 'left', last_heartbeat: NOW })
          .where('id', '=', node.id)
          .where('state', '!=', 'left')
          .returning(['id', 'name'])
          .executeTakeFirst();
        if (row) await announce(trx, 'node.left', row, { removed: false });
      });
    },
    list: async () => await records(await db.selectFrom('nodes').selectAll().orderBy('name').execute()),
    get: async (reference) => (await records([await nodes.find(reference)]))[0] as NodeRecord,
    async lost() {
      const rows = await db
        .selectFrom('nodes')
        .select('id')
        .where('id', '!=', node.id)
        .where((where) =>
          where.or([
            where('state', '=', 'lost'),
            where.and([
              where('state', '=', 'left'),
              where(
                'last_heartbeat',
                '<',
                sql<Date>`clock_timestamp() - ${`${STOPPED_FOR_MS} milliseconds`}::interval`,
              ),
            ]),
          ]),
        )
        .execute();
      return rows.map(({ id }) => id);
    },
    absent: async () =>
      new Set((await db.selectFrom('nodes').select('id').where('state', '!=', 'alive').execute()).map(({ id }) => id)),
    async idOf(reference) {
      return (await nodes.find(reference).catch(() => undefined))?.id ?? node.id;
    },
    async find(reference) {
      const row = await db
        .selectFrom('nodes')
        .selectAll()
        .where((where) => where.or([where('id', '=', reference), where('name', '=', reference)]))
        .orderBy(sql`id = ${reference}`, 'desc')
        .orderBy(sql`state = 'alive'`, 'desc')
        .orderBy('last_heartbeat', 'desc')
        .executeTakeFirst();
      if (row) return row;
      throw new StewardError('NOT_FOUND', `There is no node ${reference}.`, { hint: 'See steward nodes.' });
    },
    draining: () => drains,
    own: () => own,
    drainingOthers: async () =>
      (await db.selectFrom('nodes').select('id').where('draining', '=', true).where('id', '!=', node.id).execute()).map(
        ({ id }) => id,
      ),
  };
  return nodes;
}

/** How many runs are under way on each node: begun, or between planning and applying without anybody to ask. */
export async function inFlight(db: Kysely<EngineTables>, nodeId?: string): Promise<Map<string, number>> {
  const rows = await db
    .selectFrom('runs')
    .select(['node', ({ fn }) => fn.countAll<number>().as('count')])
    .where('finished_at', 'is', null)
    .where(underWay)
    .$if(nodeId !== undefined, (query) => query.where('node', '=', nodeId ?? ''))
    .groupBy('node')
    .execute();
  return new Map(rows.map(({ node, count }) => [node, count]));
}

export const underWay = sql<boolean>`(status in ('planning', 'running', 'rolling-back')
  or (status = 'queued' and stage = 'apply' and started_at is not null and approval is null))`;

export function labelsOf(row: Pick<NodeRow, 'labels' | 'given_labels'>): Record<string, string> {
  return { ...row.labels, ...row.given_labels };
}

function toNode(row: NodeRow, runsInFlight: number): NodeRecord {
  return {
    id: row.id,
    name: row.name,
    version: row.version,
    labels: labelsOf(row),
    state: row.state,
    draining: row.draining,
    ...(row.drained_at && { drainedAt: row.drained_at }),
    ports: row.ports,
    runsInFlight,
    ...(row.clock_skew_ms !== null && { clockSkewMs: row.clock_skew_ms }),
    ...(row.address !== null && { address: row.address }),
    startedAt: row.started_at,
    lastHeartbeat: row.last_heartbeat,
  };
}
