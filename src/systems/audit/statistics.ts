import { sql, type Kysely } from 'kysely';
import { z } from 'zod';
import type { AuditTables } from './tables.ts';

const count = z.number().int();

export const Statistics = z.object({
  since: z.coerce.date(),
  until: z.coerce.date(),
  records: count,
  refused: count,
  byOutcome: z.record(z.string(), count),
  byDay: z.array(z.object({ day: z.string().describe('In UTC.'), count, refused: count })),
  byAction: z.array(z.object({ action: z.string(), count, refused: count })),
  byActor: z.array(z.object({ id: z.string(), name: z.string(), count, refused: count })),
});
type Statistics = z.input<typeof Statistics>;

interface Counted {
  count: number;
  refused: number;
}

export async function statisticsOf(
  db: Kysely<AuditTables>,
  { since, until }: { since: Date; until: Date },
): Promise<Statistics> {
  const { rows } = await sql<{
    day: string;
    action: string;
    outcome: string;
    id: string;
    name: string;
    count: number;
  }>`
    select to_char(at at time zone 'UTC', 'YYYY-MM-DD') as day, entry->>'action' as action, entry->>'outcome' as outcome,
      entry->'actor'->>'id' as id, max(entry->'actor'->>'name') as name, count(*) as count
    from audit_log where at >= ${since} and at < ${until} group by 1, 2, 3, 4`.execute(db);
  const byOutcome: Record<string, number> = {};
  const days = new Map<string, Counted>();
  const actions = new Map<string, Counted>();
  const actors = new Map<string, Counted>();
  const names = new Map<string, string>();
  for (const { day, action, outcome, id, name, count: number } of rows) {
    byOutcome[outcome] = (byOutcome[outcome] ?? 0) + number;
    const refused = outcome === 'refused' ? number : 0;
    for (const [map, key] of [
      [days, day],
      [actions, action],
      [actors, id],
    ] as const) {
      const known = map.get(key) ?? { count: 0, refused: 0 };
      map.set(key, { count: known.count + number, refused: known.refused + refused });
    }
    names.set(id, name);
  }
  const most = (one: Counted, other: Counted): number => other.count - one.count;
  return {
    since,
    until,
    records: rows.reduce((sum, row) => sum + row.count, 0),
    refused: byOutcome['refused'] ?? 0,
    byOutcome,
    byDay: [...days].map(([day, counted]) => ({ day, ...counted })).toSorted((a, b) => (a.day < b.day ? -1 : 1)),
    byAction: [...actions].map(([action, counted]) => ({ action, ...counted })).toSorted(most),
    byActor: [...actors].map(([id, counted]) => ({ id, name: names.get(id) ?? id, ...counted })).toSorted(most),
  };
}
