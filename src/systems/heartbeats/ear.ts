import type { Kysely } from 'kysely';
import type { NextInstant } from '../../core/maintenance.ts';
import { mayHaveMissed } from './judge.ts';
import type { Book } from './book.ts';
import { factsOf, type HeartbeatTables } from './tables.ts';

/** Nobody notices how a heartbeat is between two of these; a longer silence means that pings could not be heard. */
const DEAF_AFTER_MS = 20_000;

/**
 * Knows when pings could not be heard: Steward was down, its machine slept, the store was away, or the clock was set forward. All of
 * them look the same afterwards: the last time at which all was well lies too far back.
 */
export function createEar({
  db,
  book,
  node,
  next,
  now,
}: {
  db: Kysely<HeartbeatTables>;
  book: Pick<Book, 'all' | 'change'>;
  node: string;
  next: NextInstant;
  now: () => Date;
}) {
  let heardAt: Date | undefined;

  /** What should have come meanwhile may have: it is waited for anew, from here on. */
  async function excuse(from: Date, until: Date): Promise<number> {
    let excused = 0;
    for (const row of await book.all()) {
      if (row.node !== node || !mayHaveMissed(factsOf(row), { from, until }, next)) continue;
      excused += 1;
      await book.change(row.id, { anchor_at: until, excused: true, started_at: null });
    }
    return excused;
  }

  return {
    /** Whether it is too long ago that somebody made sure. */
    isDeaf: (): boolean => heardAt === undefined || now().getTime() - heardAt.getTime() > DEAF_AFTER_MS,

    /** Makes sure that pings are heard from here on; gives how many heartbeats were excused. */
    async listen(): Promise<number> {
      const at = now();
      const row = await db
        .selectFrom('heartbeat_presence')
        .select('seen_at')
        .where('node', '=', node)
        .executeTakeFirst();
      const seen = row?.seen_at;
      let excused = 0;
      if (seen && at.getTime() - seen.getTime() > DEAF_AFTER_MS) excused = await excuse(seen, at);
      // The clock was set back: what is from the future would be waited for until then.
      if (seen && seen > at)
        await db.updateTable('heartbeats').set({ anchor_at: at }).where('anchor_at', '>', at).execute();
      await db
        .insertInto('heartbeat_presence')
        .values({ node, seen_at: at })
        .onConflict((conflict) => conflict.column('node').doUpdateSet({ seen_at: at }))
        .execute();
      heardAt = at;
      return excused;
    },
  };
}
