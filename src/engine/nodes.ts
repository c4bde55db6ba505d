import { type Kysely, sql } from 'kysely';
import type { Catalog } from '../core/catalog.ts';
import { StewardError } from '../core/errors.ts';
import type { EventType } from '../core/event.ts';
import type { JsonObject } from '../core/json.ts';
import type { Log } from '../core/log.ts';
import type { NodeRecord } from '../core/node.ts';
import { fence } from '../store/fence.ts';
import type { Store } from '../store/store.ts';
import type { EngineDeps, EngineSettings } from './engine-deps.ts';
import { createNodeDirectory, inFlight, labelsOf, type NodeDirectory, type NodeRow } from './node-directory.ts';
import { createSilence, type Silence } from './silence.ts';
import type { EngineTables } from './tables.ts';

type Trx = Parameters<Store['events']['append']>[0];

/** Rung when somebody changed what a node is to do. */
export const NODES_CHANNEL = 'steward_nodes';
/** Clocks that differ by more make logs and schedules hard to follow. Nothing is decided by them. */
export const SKEW_WORTH_TELLING_MS = 2_000;
const KEEP_SKEW_TOLD_MS = 3_600_000;

/** This node among the others: it says that it lives, and declares dead who is silent. */
export interface Nodes extends NodeDirectory {
  join(): Promise<void>;
  /** Says that this node lives, and declares dead, once, who was silent for too long. */
  beat(): Promise<void>;
  beatFor(id: string): Promise<NodeRecord>;
  leave(): Promise<void>;
  /** Whether this node takes no new work, as of its last beat. */
  draining(): boolean;
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
  const directory = createNodeDirectory({ db, self: node.id });
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

  /** Judged by the instant of this node's own beat: should the database stand still right after it, nobody else could have spoken either. */
  async function declareLost(heard: Date): Promise<string[]> {
    if (!silence.counts()) return [];
    const deadline = new Date(heard.getTime() - limits.lostAfterMs);
    const silent = await db
      .selectFrom('nodes')
      .select('id')
      .where('state', '=', 'alive')
      .where('id', '!=', node.id)
      .where('last_heartbeat', '<', deadline)
      .execute();
    if (silent.length === 0) return [];
    for (const { id } of silent)
      await fence(db, id).catch((thrown: unknown) =>
        log.warn('the connections of a silent node could not be ended', {
          node: id,
          reason: StewardError.from(thrown).message,
        }),
      );
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

  return {
    ...directory,
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
      for (const id of await declareLost(row.last_heartbeat)) {
        log.warn('node is silent', { node: id });
        await onLost(id);
      }
    },
    async beatFor(id) {
      await say(id);
      return await directory.get(id);
    },
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
    draining: () => drains,
    own: () => own,
  };
}
