// Many places look at one thing: what counts, and what follows.

/** What one place saw last of one check. */
export interface Sighting {
  readonly place: string;
  /** The node that watches the check, which is a place like the others. */
  readonly here: boolean;
  readonly state: 'up' | 'degraded' | 'down' | 'unknown';
  readonly at: Date;
  readonly latencyMs: number;
  readonly message: string;
  readonly code?: string | undefined;
  /** For how long what it says counts. */
  readonly freshMs: number;
  /** It cannot be relied on at the moment. */
  readonly unwell?: string | undefined;
}

export interface Quorum {
  readonly state: 'up' | 'down' | 'unknown';
  readonly down: readonly Sighting[];
  readonly up: readonly Sighting[];
  /** Those that have no say at the moment, each with the reason. */
  readonly silent: readonly { readonly place: string; readonly why: string }[];
  /** So many have to say down. */
  readonly need: number;
}

const NAME_FAILURES: ReadonlySet<string> = new Set(['ENOTFOUND', 'EAI_AGAIN', 'EAI_FAIL', 'ENODATA', 'DNS']);

/** Whether its name was the reason. */
export function isNameFailure({ code }: Pick<Sighting, 'code'>): boolean {
  return code !== undefined && NAME_FAILURES.has(code);
}

/** A clock that is off by more is not believed. */
export const CLOCK_MS = 5_000;

/**
 * Down is what enough places say. Where not enough do, one that reaches it shows that it is up. Where nobody reaches it and too few
 * may say so, the word of the node that watches it is left: silence must hide no outage. `need` left out is more than half of those
 * that have a say, and never more than there are.
 */
export function countVotes(sightings: readonly Sighting[], need: number | undefined, now: Date): Quorum {
  const silent: { place: string; why: string }[] = [];
  const down: Sighting[] = [];
  const up: Sighting[] = [];
  const voters = sightings.filter((sighting) => mayVote(sighting, now)).length;
  for (const sighting of sightings) {
    const why = withoutVote(sighting, need, voters, now);
    if (why !== undefined) silent.push({ place: sighting.place, why });
    else if (sighting.state === 'up' || sighting.state === 'degraded') up.push(sighting);
    else down.push(sighting);
  }
  const needed =
    need === undefined ? Math.floor((down.length + up.length) / 2) + 1 : Math.max(1, Math.min(need, sightings.length));
  const enough = down.length >= needed || (up.length === 0 && down.some(({ here }) => here));
  return { state: enough ? 'down' : up.length > 0 ? 'up' : 'unknown', down, up, silent, need: needed };
}

/** Whether it has a vote, or one that counts beside that of another place. */
function mayVote(sighting: Sighting, now: Date): boolean {
  return unheard(sighting, now) === undefined && (sighting.state !== 'unknown' || isNameFailure(sighting));
}

function withoutVote(sighting: Sighting, need: number | undefined, voters: number, now: Date): string | undefined {
  const why = unheard(sighting, now);
  if (why !== undefined || sighting.state !== 'unknown') return why;
  // A name service that does not answer is a place's own trouble, unless others have to say the same for it to count.
  return isNameFailure(sighting) && (need ?? 2) > 1 && voters > 1 ? undefined : sighting.message;
}

function unheard({ at, freshMs, unwell }: Sighting, now: Date): string | undefined {
  if (unwell !== undefined) return unwell;
  const age = now.getTime() - at.getTime();
  if (age < -CLOCK_MS) return 'has said something of a time that has not come';
  return age > freshMs ? 'has not reported lately' : undefined;
}
