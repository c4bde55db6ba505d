import type { DatabaseLook } from '../../core/database/look.ts';
import type { DoneBefore } from '../../core/database/rules.ts';
import type { Meter } from '../../core/metric.ts';
import type { DatabaseFigures } from '../../core/ports/history.ts';
import type { System } from '../../core/system.ts';
import type { EventConsumer } from '../../store/event-consumer.ts';
import type { DatabasesDeps } from './deps.ts';
import { createMeasured } from './measured.ts';
import { databaseOperations } from './operations.ts';
import { keepMaintenanceReport, tellDivergedMigration } from './report.ts';
import { databaseRetention } from './retention.ts';
import type { DatabaseTables } from './tables.ts';
import { lookAround } from './watch.ts';
import { databaseWindows } from './windows.ts';

export { databaseMigrations } from './tables.ts';

export interface Databases extends System {
  /** What the last look at each server said; no server is asked for it. */
  readonly meter: Meter;
  /** What was done to the databases of a source, the newest first. */
  done(source: string): Promise<DoneBefore[]>;
  /** How each database of this node was at the last look. */
  figures(): Promise<DatabaseFigures[]>;
}

function figuresOf(source: string, at: Date, look: DatabaseLook): DatabaseFigures {
  const { kind, databases, connections, cacheHitRatio, longestTransactionSeconds, slow } = look;
  const [slowest] = slow.toSorted((one, other) => other.meanMs - one.meanMs);
  return {
    source,
    kind,
    at,
    bytes: databases.reduce((sum, { bytes }) => sum + bytes, 0),
    connectionsPercent: connections && percent(connections.used / connections.limit),
    cacheHitPercent: cacheHitRatio === undefined ? undefined : percent(cacheHitRatio),
    longestTransactionSeconds:
      longestTransactionSeconds === undefined ? undefined : Math.round(longestTransactionSeconds),
    slowest: slowest && { statement: slowest.statement, meanMs: slowest.meanMs, calls: slowest.calls },
  };
}

function percent(share: number): number {
  return Math.round(share * 1_000) / 10;
}

const MOST_DONE = 5_000;

/** Looks at every database, remembers how it was, and tells what is wrong with it. It changes none: an automation does. */
export function createDatabaseWatch(given: Omit<DatabasesDeps, 'measured'>): Databases {
  const measured = createMeasured();
  const deps: DatabasesDeps = { ...given, measured };
  const { store, node } = deps;
  const db = store.db.withTables<DatabaseTables>();
  const ending = new AbortController();
  let consumer: EventConsumer | undefined;

  return {
    name: 'databases',
    meter: measured,
    operations: databaseOperations(deps),
    jobs: [
      {
        name: 'database-looks',
        summary:
          'Looks at each database whose last look is older than the configuration says, and tells what is wrong.',
        schedule: { every: '1m', jitter: '10s', overlap: 'skip', catchUp: 'skip' },
        run: ({ signal }) => lookAround(deps, { signal }),
      },
      databaseWindows(deps),
      databaseRetention(deps),
    ],
    async done(source) {
      const rows = await db
        .selectFrom('database_tasks')
        .select(['kind', 'database', 'object', 'at'])
        .where('node', '=', node.id)
        .where('source', '=', source)
        .orderBy('at', 'desc')
        .limit(MOST_DONE)
        .execute();
      return rows.map(({ kind, database, object, at }) => ({ kind, database, object: object ?? undefined, at }));
    },
    async figures() {
      const rows = await db
        .selectFrom('database_latest')
        .select(['source', 'at', 'look'])
        .where('node', '=', node.id)
        .orderBy('source')
        .execute();
      return rows.flatMap(({ source, at, look }) => (look ? [figuresOf(source, at, look)] : []));
    },
    async start() {
      consumer = store.events.consume({
        consumer: `databases:${node.name}`,
        types: ['run.finished'],
        async handle(event) {
          await tellDivergedMigration(event, deps);
          const maintained = await keepMaintenanceReport(event, deps);
          // Whoever asks next sees what came of it.
          if (maintained.length > 0) await lookAround(deps, { signal: ending.signal, only: maintained });
        },
      });
    },
    async stop() {
      ending.abort();
      await consumer?.stop();
    },
  };
}
