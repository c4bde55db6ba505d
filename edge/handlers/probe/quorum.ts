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

/**
 * Down is what enough places say. Where not enough do, one that reaches it shows that it is up; and where nobody reaches it and too
 * few may say so, nobody knows. `need` left out is more than half of those that have a say.
 */
export function countVotes(sightings: readonly Sighting[], need: number | undefined, now: Date): Quorum {
  const silent: { place: string; why: string }[] = [];
  const down: Sighting[] = [];
  const up: Sighting[] = [];
  for (const sighting of sightings) {
    const why = withoutVote(sighting, need, now);
    if (why !== undefined) silent.push({ place: sighting.place, why });
    else if (sighting.state === 'up' || sighting.state === 'degraded') up.push(sighting);
    else down.push(sighting);
  }
  const needed = need ?? Math.floor((down.length + up.length) / 2) + 1;
  const state = down.length >= needed ? 'down' : up.length > 0 ? 'up' : 'unknown';
  return { state, down, up, silent, need: needed };
}

function withoutVote(sighting: Sighting, need: number | undefined, now: Date): string | undefined {
  const { state, at, freshMs, unwell } = sighting;
  if (unwell !== undefined) return unwell;
  if (now.getTime() - at.getTime() > freshMs) return 'has not reported lately';
  // A name service that does not answer is a place's own trouble, unless others have to say the same for it to count.
  if (state === 'unknown' && !(isNameFailure(sighting) && (need ?? 2) > 1)) return sighting.message;
  return undefined;
}
