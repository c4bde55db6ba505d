import type { Kysely } from 'kysely';
import type { SystemJob } from '../../core/schedule.ts';
import type { PlaceTables } from './tables.ts';

export function placeRetention({ db, keepMs }: { db: Kysely<PlaceTables>; keepMs: () => number }): SystemJob {
  return {
    name: 'place-retention',
    summary: 'Forgets what places saw longer ago than single results are kept, and places that were removed.',
    schedule: { every: '1h', jitter: '10m' },
    async run({ now }) {
      const before = new Date(now.getTime() - keepMs());
      await db.deleteFrom('place_results').where('at', '<', before).execute();
      await db.deleteFrom('place_sightings').where('at', '<', before).execute();
      await db.deleteFrom('place_verdicts').where('at', '<', before).execute();
      await db
        .deleteFrom('places')
        .where((is) =>
          is.or([
            is('removed_at', '<', before),
            is.and([is('token_hash', 'is', null), is('invitation_until', '<', before)]),
          ]),
        )
        .execute();
    },
  };
}
