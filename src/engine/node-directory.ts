import { type Kysely, type Selectable, sql } from 'kysely';
import { StewardError } from '../core/errors.ts';
import type { NodeRecord } from '../core/node.ts';
import type { EngineTables } from './tables.ts';

export type NodeRow = Selectable<EngineTables['nodes']>;

/** Longer than a restart or an update. */
const STOPPED_FOR_MS = 120_000;

/** What the store knows of the nodes. */
export interface NodeDirectory {
  list(): Promise<NodeRecord[]>;
  get(id: string): Promise<NodeRecord>;
  /** Declared dead and not back, or stopped a while ago: others go on with what need not happen there. */
  lost(): Promise<string[]>;
  /** Those that are lost, and those that were stopped. */
  absent(): Promise<ReadonlySet<string>>;
  idOf(reference: string): Promise<string>;
  /** By id, or by name; NOT_FOUND. Of two with one name the one that lives. */
  find(reference: string): Promise<NodeRow>;
  /** Others that drain: what has not begun there may begin here. */
  drainingOthers(): Promise<string[]>;
}

export function createNodeDirectory({
  db,
  self,
}: {
  readonly db: Kysely<EngineTables>;
  readonly self: string;
}): NodeDirectory {
  async function records(rows: readonly NodeRow[]): Promise<NodeRecord[]> {
    const busy = await inFlight(db);
    return rows.map((row) => toNode(row, busy.get(row.id) ?? 0));
  }

  const directory: NodeDirectory = {
    list: async () => await records(await db.selectFrom('nodes').selectAll().orderBy('name').execute()),
    get: async (reference) => (await records([await directory.find(reference)]))[0] as NodeRecord,
    async lost() {
      const rows = await db
        .selectFrom('nodes')
        .select('id')
        .where('id', '!=', self)
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
      return (await directory.find(reference).catch(() => undefined))?.id ?? self;
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
    drainingOthers: async () =>
      (await db.selectFrom('nodes').select('id').where('draining', '=', true).where('id', '!=', self).execute()).map(
        ({ id }) => id,
      ),
  };
  return directory;
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
