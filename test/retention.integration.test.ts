import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { Config } from '../src/config/schema.ts';
import { engineRetention } from '../src/compose/from-config.ts';
import { createRuns } from '../src/engine/runs.ts';
import { upkeepJobs } from '../src/engine/upkeep.ts';
import { inventoryUpkeep } from '../src/systems/inventory/upkeep.ts';
import { composeInProcess } from './kit/composition.ts';

/** Why rows of a table stay for good. Whoever adds a table that is missing here must say what removes its rows. */
const KEPT: Readonly<Record<string, string>> = {
  audit_log: 'it only grows, by design',
  audit_heads: 'one for each key',
  audit_followers: 'one for each place that the configuration names',
  operation_families: 'one for each automation',
  engine_mode: 'one',
  steward_migrations: 'one for each migration',
  steward_store: 'one',
  users: 'people, until somebody removes them',
  user_totp: 'goes with its person',
  user_recovery_codes: 'go with their person',
  user_passkeys: 'go with their person',
  user_links: 'go with their person',
  setup_links: 'one, until it is used',
  schedules: 'one for each schedule',
  event_cursors: 'one for each consumer',
  backup_sources: 'one for each source that is configured',
  discovery_scans: 'the last 2,000 of a node',
  metric_levels: 'one for each level',
  place_signing: 'one for each key of the vault',
  webhook_pauses: 'one for each type that is paused',
};

/** What a row must say to be over. */
const OVER: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  runs: { status: 'succeeded' },
  workflow_executions: { status: 'succeeded' },
  incidents: { status: 'resolved' },
  resources: { state: 'gone', adoption: 'adopted', origin: 'discovered' },
  alerts: { state: 'sent' },
  alert_deliveries: { state: 'delivered' },
  nodes: { state: 'left' },
  breakers: { state: 'closed' },
  healing_attempts: { status: 'failed' },
  backup_history: { status: 'removed' },
  alert_proposals: { state: 'proposed' },
  endpoint_deliveries: { state: 'delivered' },
  webhook_deliveries: { state: 'told' },
};

const LONG_AGO = new Date('2025-01-01T00:00:00Z');
const DAY_MS = 86_400_000;

let clock = LONG_AGO;
const now = () => clock;
const config = Config.parse({});
const { composition, database, home, end } = await composeInProcess({ now });

afterAll(end);

interface Column {
  readonly table: string;
  readonly name: string;
  readonly type: string;
  readonly generated: boolean;
}

async function query<T extends object>(text: string, values: unknown[] = []): Promise<T[]> {
  return (await database.store.pool.query<T>(text, values)).rows;
}

async function columns(): Promise<Map<string, Column[]>> {
  const found =
    await query<Column>(`select c.table_name as "table", column_name as name, data_type as type, is_identity = 'YES' as generated
    from information_schema.columns c join pg_class k on k.relname = c.table_name and k.relnamespace = 'public'::regnamespace
    where c.table_schema = 'public' and k.relkind in ('r', 'p') and not k.relispartition order by ordinal_position`);
  return Map.groupBy(found, ({ table }) => table);
}

function valueOf({ table, name, type }: Column): unknown {
  const over = OVER[table]?.[name];
  if (over !== undefined) return over;
  if (type.startsWith('timestamp')) return LONG_AGO;
  if (type === 'boolean') return false;
  if (['integer', 'bigint', 'smallint', 'real', 'double precision', 'xid8'].includes(type)) return 1;
  if (type.startsWith('json')) return '{}';
  if (type === 'ARRAY') return [];
  if (type === 'bytea') return Buffer.from('x');
  // References between tables hold: everything is called the same.
  return 'x';
}

async function insertOne(table: string, all: readonly Column[]): Promise<void> {
  const given = all.filter(({ generated, type }) => !generated && type !== 'xid8');
  const names = given.map(({ name }) => `"${name}"`).join(', ');
  const places = given.map((_, index) => `$${index + 1}`).join(', ');
  await query(`insert into "${table}" (${names}) values (${places})`, given.map(valueOf));
}

async function left(): Promise<string[]> {
  const names: string[] = [];
  for (const table of (await columns()).keys()) {
    const [row] = await query<{ some: boolean }>(`select exists (select from "${table}") as some`);
    if (row?.some) names.push(table);
  }
  return names;
}

describe('retention', () => {
  it('leaves nothing of what happened years ago, in whichever table', async () => {
    const waiting = [...(await columns())].filter(([table]) => table === 'users' || !(table in KEPT));
    for (let rounds = 0; waiting.length > 0 && rounds < 10; rounds += 1) {
      for (const entry of waiting.splice(0)) {
        // What it refers to may come later in the list.
        await insertOne(...entry).catch((thrown: { code?: string }) => {
          if (thrown.code !== '23503') throw thrown;
          waiting.push(entry);
        });
      }
    }
    expect(waiting.map(([table]) => table)).toEqual([]);
    const full = await left();
    expect(full).toEqual(
      expect.arrayContaining(['runs', 'events', 'incidents', 'check_results', 'alerts', 'resources', 'user_sessions']),
    );

    clock = new Date(LONG_AGO.getTime() + 900 * DAY_MS);
    const jobs = [
      ...composition.systems.flatMap((system) => system.jobs),
      inventoryUpkeep({ store: database.store, keepMs: () => 365 * DAY_MS }),
      ...upkeepJobs({
        runs: createRuns({ store: database.store, now, nodeId: 'nod_test' }),
        // Its own tables are not there before it is launched; see the upkeep of the engine.
        engine: { prune: async () => 0 },
        events: database.store.events,
        service: { expire: async () => 0 },
        artifacts: join(home, 'artifacts'),
        retention: () => engineRetention(config),
      }),
    ];
    const run = async (): Promise<string[]> => {
      const { signal } = new AbortController();
      for (const job of jobs.filter(({ name }) => /retention|cleanup|upkeep|history/.test(name)))
        await job.run({ now: clock, signal });
      return (await left()).filter((table) => !(table in KEPT));
    };

    // Events wait for transactions of other tests on this server before they count as settled.
    await expect.poll(run, { timeout: 20_000, interval: 500 }).toEqual([]);
  }, 60_000);

  it('keeps what is not over, and what is young', async () => {
    await query(
      `insert into incidents (id, fingerprint, title, symptom, severity, status, opened_at, updated_at, occurrences, evidence)
      values ('inc_open', 'f', 't', 's', 'critical', 'escalated', $1, $1, 1, '{}')`,
      [LONG_AGO],
    );
    await query(
      `insert into alerts (id, kind, severity, title, text, node, at, state) values ('alr_young', 'opened', 'info', 't', 't', 'n', $1, 'sent')`,
      [clock],
    );
    const { signal } = new AbortController();
    for (const job of composition.systems
      .flatMap((system) => system.jobs)
      .filter(({ name }) => /retention|cleanup|upkeep/.test(name)))
      await job.run({ now: clock, signal });

    expect((await left()).filter((table) => !(table in KEPT)).toSorted()).toEqual(['alerts', 'incidents']);
  });
});
