import { type Kysely, sql } from 'kysely';
import type { EventType } from '../core/event.ts';
import type { EventCount, Stretch } from '../core/ports/history.ts';
import type { EventTables } from './event-tables.ts';

/** With the longest restore among them, in milliseconds. */
export interface CountedEvents extends EventCount {
  readonly restoreMs: number | null;
}

/** How often each of these happened, by what it was about and how it ended; dry runs did not happen. */
export async function countEvents(
  db: Kysely<EventTables>,
  types: readonly EventType[],
  { from, to, node }: Stretch & { readonly node?: string | undefined },
): Promise<CountedEvents[]> {
  const { rows } = await sql<CountedEvents>`
    select type, coalesce(data->>'source', data->>'automation', data->>'channel', '') as of, coalesce(data->>'status', '') as status,
      count(*)::int as count, max((data->>'restoreMs')::float8) as "restoreMs"
    from events
    where at >= ${from} and at < ${to} and type in (${sql.join([...types])})
      and coalesce(data->>'dryRun', 'false') <> 'true' and (${node ?? null}::text is null or node = ${node ?? null})
    group by 1, 2, 3 order by 1, 2, 3`.execute(db);
  return rows;
}
