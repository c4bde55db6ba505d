import type { Kysely } from 'kysely';
import type { PathVerdict } from '../../../edge/handlers/probe/path.ts';
import type { Quorum, Sighting } from '../../../edge/handlers/probe/quorum.ts';
import type { PlaceTables, Vote } from './tables.ts';

/** Keeps what came of one look, for whoever wants to see who said what. */
export async function keepVerdict(
  db: Kysely<PlaceTables>,
  checkId: string,
  {
    at,
    sightings,
    quorum: { state, need, silent },
    path,
  }: {
    readonly at: Date;
    readonly sightings: readonly Sighting[];
    readonly quorum: Quorum;
    readonly path: PathVerdict | undefined;
  },
): Promise<void> {
  const votes = sightings.map(({ place, here, state: said, latencyMs, at: seenAt, message }): Vote => ({
    place,
    here,
    state: said,
    latencyMs,
    at: seenAt.toISOString(),
    message,
    without: silent.find((each) => each.place === place)?.why,
  }));
  const row = {
    at,
    state,
    need,
    path: path?.where ?? null,
    sentence: path?.sentence ?? null,
    votes: JSON.stringify(votes),
  };
  await db
    .insertInto('place_verdicts')
    .values({ check_id: checkId, ...row })
    .onConflict((conflict) => conflict.column('check_id').doUpdateSet(row))
    .execute();
}
