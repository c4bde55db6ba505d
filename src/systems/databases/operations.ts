import { z } from 'zod';
import { SettingAdvice } from '../../core/database/tuning.ts';
import { IndexLook, SlowQuery, TableLook } from '../../core/database/look.ts';
import { StewardError } from '../../core/errors.ts';
import { type AnyOperation, defineQuery, NoInput } from '../../core/operation.ts';
import { adviceFor } from './advice.ts';
import type { DatabasesDeps } from './deps.ts';
import { historyOf, latestOf } from './remembered.ts';
import type { DatabaseTables } from './tables.ts';
import { growthPerDay } from './trend.ts';
import { databaseSources } from './watch.ts';

const WEEK_MS = 7 * 86_400_000;
const MOST = 50;

const DatabaseView = z.object({
  source: z.string(),
  kind: z.string(),
  version: z.string().optional(),
  bytes: z.number().optional(),
  growthPerDay: z.number().optional().describe('Bytes a day over the last week.'),
  connections: z.string().optional().describe('In use, of how many.'),
  lastVacuumAt: z.coerce.date().optional().describe('When any of its tables was vacuumed last, by whomever.'),
  longestTransactionSeconds: z.number().optional(),
  wraparoundPercent: z.number().optional().describe('Of its transaction ids used up.'),
  cacheHitPercent: z.number().optional(),
  advice: z.number().int().describe('Things that a person may want to do: databases advice.'),
  seenAt: z.coerce.date().optional(),
  message: z.string().describe('What keeps it from being seen, or how much of it is not.'),
});

const AdviceView = z.object({
  source: z.string(),
  database: z.string(),
  kind: z.enum(['missing-index', 'unused-index', 'duplicate-index', 'invalid-index']),
  object: z.string(),
  why: z.string(),
  sql: z.string().optional().describe('What a person would run. Nothing of it is done by itself.'),
  bytes: z.number().optional(),
});

const sourceName = z.string().min(1).describe('Name of the source, as `steward databases` shows it.');

export function databaseOperations(deps: DatabasesDeps): AnyOperation[] {
  const { store, node, settings, windows, now } = deps;
  const db = store.db.withTables<DatabaseTables>();
  const named = (name: string): void => {
    const all = databaseSources(deps);
    if (all.some((source) => source.name === name)) return;
    throw new StewardError('NOT_FOUND', `The configuration has no database source '${name.slice(0, 100)}'.`, {
      hint: `There are: ${all.map((source) => source.name).join(', ') || 'none'}. backups.sources in steward.yaml names them.`,
    });
  };
  const advised = async (source: string) => {
    const latest = await latestOf(db, node.id, source);
    if (!latest?.look) return [];
    return await adviceFor(db, { node: node.id, source, look: latest.look, unusedMs: settings().unusedMs, now: now() });
  };

  async function viewOf(source: string, kind: string): Promise<z.input<typeof DatabaseView>> {
    const latest = await latestOf(db, node.id, source);
    if (!latest) return { source, kind, advice: 0, message: 'nobody has looked at it yet' };
    const { look, problem, at } = latest;
    if (!look) return { source, kind, advice: 0, seenAt: at, message: problem ?? 'it was not seen' };
    const since = new Date(now().getTime() - WEEK_MS);
    const growth = growthPerDay(await historyOf(db, { node: node.id, source, since }), now());
    const vacuumed = look.tables
      .flatMap(({ vacuumedAt }) => vacuumedAt ?? [])
      .toSorted()
      .at(-1);
    const { connections, longestTransactionSeconds, wraparound, cacheHitRatio } = look;
    return {
      source,
      kind,
      version: look.version,
      bytes: look.databases.reduce((sum, { bytes }) => sum + bytes, 0),
      ...(growth !== undefined && { growthPerDay: growth }),
      ...(connections && { connections: `${connections.used} of ${connections.limit}` }),
      ...(vacuumed !== undefined && { lastVacuumAt: vacuumed }),
      ...(longestTransactionSeconds !== undefined && {
        longestTransactionSeconds: Math.round(longestTransactionSeconds),
      }),
      ...(wraparound !== undefined && { wraparoundPercent: Math.round(wraparound * 1_000) / 10 }),
      ...(cacheHitRatio !== undefined && { cacheHitPercent: Math.round(cacheHitRatio * 1_000) / 10 }),
      advice: (await advised(source)).length,
      seenAt: look.at,
      message: problem ?? blindness(look.blind.length),
    };
  }

  return [
    defineQuery({
      name: 'databases',
      title: 'Databases',
      summary:
        'How fit each database is: its size and growth, connections, when it was vacuumed, its longest transaction.',
      permission: 'read',
      input: NoInput,
      output: z.object({ items: z.array(DatabaseView) }),
      cli: ['databases'],
      columns: [
        'source',
        'kind',
        'bytes',
        'growthPerDay',
        'connections',
        'lastVacuumAt',
        'longestTransactionSeconds',
        'advice',
        'message',
      ],
      async handle() {
        return { items: await Promise.all(databaseSources(deps).map(({ name, kind }) => viewOf(name, kind))) };
      },
    }),

    defineQuery({
      name: 'database-get',
      title: 'One database',
      summary:
        'Shows a database server as it was seen last: its largest tables and indexes, slow queries, replicas, what was done to it.',
      permission: 'read',
      input: z.object({ source: sourceName }),
      output: DatabaseView.extend({
        databases: z.array(z.object({ name: z.string(), bytes: z.number() })),
        replicas: z.array(
          z.object({ name: z.string(), lagSeconds: z.number().nullable(), lagBytes: z.number().nullable() }),
        ),
        tables: z.array(TableLook).describe('The 50 largest.'),
        indexes: z.array(IndexLook).describe('The 50 largest.'),
        slow: z.array(SlowQuery),
        blind: z.array(z.object({ what: z.string(), hint: z.string() })),
        done: z
          .array(
            z.object({
              kind: z.string(),
              database: z.string(),
              object: z.string().optional(),
              at: z.coerce.date(),
              durationMs: z.number(),
              runId: z.string(),
            }),
          )
          .describe('What maintenance did last.'),
        nextWindowAt: z.coerce
          .date()
          .optional()
          .describe('When what locks may be done next; left out where databases.windows names no time.'),
        problem: z.string().optional().describe('What keeps it from being seen now.'),
      }),
      cli: ['databases', 'show'],
      cliArguments: ['source'],
      async handle({ source }) {
        named(source);
        const latest = await latestOf(db, node.id, source);
        const { kind = '' } = databaseSources(deps).find(({ name }) => name === source) ?? {};
        const done = await db
          .selectFrom('database_tasks')
          .selectAll()
          .where('node', '=', node.id)
          .where('source', '=', source)
          .orderBy('at', 'desc')
          .limit(MOST)
          .execute();
        const look = latest?.look;
        const largest = <T extends { bytes: number }>(all: readonly T[]): T[] =>
          all.toSorted((a, b) => b.bytes - a.bytes).slice(0, MOST);
        return {
          ...(await viewOf(source, kind)),
          databases: (look?.databases ?? []).map(({ name, bytes }) => ({ name, bytes })),
          replicas: look?.replicas ?? [],
          tables: largest(look?.tables ?? []),
          indexes: largest(look?.indexes ?? []),
          slow: (look?.slow ?? []).map((query) => ({ ...query, statement: short(query.statement) })),
          blind: look?.blind ?? [],
          done: done.map((row) => ({
            kind: row.kind,
            database: row.database,
            ...(row.object !== null && { object: row.object }),
            at: row.at,
            durationMs: row.duration_ms,
            runId: row.run_id,
          })),
          nextWindowAt: windows.next(now()),
          ...(typeof latest?.problem === 'string' && { problem: latest.problem }),
        };
      },
    }),

    defineQuery({
      name: 'database-advice',
      title: 'Advice for databases',
      summary:
        'Indexes that were tried and would help, that nothing has used over a whole cycle of business, or that another serves.',
      permission: 'read',
      input: z.object({ source: sourceName.optional() }),
      output: z.object({ items: z.array(AdviceView) }),
      cli: ['databases', 'advice'],
      cliArguments: ['source'],
      columns: ['source', 'database', 'kind', 'object', 'bytes', 'why'],
      async handle({ source }) {
        if (source !== undefined) named(source);
        const names = databaseSources(deps)
          .map(({ name }) => name)
          .filter((name) => source === undefined || name === source);
        return { items: (await Promise.all(names.map(advised))).flat() };
      },
    }),

    defineQuery({
      name: 'database-settings',
      title: 'Settings for databases',
      summary:
        'Settings of PostgreSQL and MariaDB servers on this machine that do not fit its memory, its disk or what they are asked, each with why.',
      permission: 'read',
      input: z.object({ source: sourceName.optional() }),
      output: z.object({ items: z.array(SettingAdvice.extend({ source: z.string() })) }),
      cli: ['databases', 'settings'],
      cliArguments: ['source'],
      columns: ['source', 'setting', 'now', 'should', 'restart', 'why'],
      async handle({ source }) {
        if (source !== undefined) named(source);
        const names = databaseSources(deps)
          .map(({ name }) => name)
          .filter((name) => source === undefined || name === source);
        const looks = await Promise.all(names.map(async (name) => (await latestOf(db, node.id, name))?.look));
        return {
          items: looks.flatMap((look) => (look?.settings ?? []).map((one) => ({ source: look?.source ?? '', ...one }))),
        };
      },
    }),
  ];
}

const STATEMENT = 300;

function short(statement: string): string {
  const line = statement.replaceAll(/\s+/g, ' ').trim();
  return line.length > STATEMENT ? `${line.slice(0, STATEMENT)}…` : line;
}

function blindness(things: number): string {
  return things === 0
    ? 'seen'
    : `seen, but for ${things} ${things === 1 ? 'thing' : 'things'}: databases show says which`;
}
