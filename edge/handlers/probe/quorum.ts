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
  /** It is silent past its heartbeat: where it has no say, nobody waits for its word. */
  readonly lapsed?: boolean | undefined;
  /** Of the node that watches: whether its own way out is known to work, or not to. */
  readonly way?: Way | undefined;
}

export type Way = 'open' | 'broken';

export interface Quorum {
  readonly state: 'up' | 'down' | 'unknown';
  readonly down: readonly Sighting[];
  readonly up: readonly Sighting[];
  /** Those that have no say at the moment, each with the reason. */
  readonly silent: readonly Silent[];
  /** So many have to say down. */
  readonly need: number;
  /** Of the node that watches, where it fails to reach it. */
  readonly way: Way | undefined;
}

interface Silent {
  readonly place: string;
  readonly why: string;
  readonly lapsed: boolean;
}

const NAME_FAILURES: ReadonlySet<string> = new Set(['ENOTFOUND', 'EAI_AGAIN', 'EAI_FAIL', 'ENODATA', 'DNS']);

/** Whether its name was the reason. */
export function isNameFailure({ code }: Pick<Sighting, 'code'>): boolean {
  return code !== undefined && NAME_FAILURES.has(code);
}

/** With less than the word of two nothing is laid hands on, unless the way of the one is known to work. */
const LEAST = 2;

/** A clock that is off by more is not believed. */
export const CLOCK_MS = 5_000;

/**
 * Down is what enough places say. Where not enough do, one that reaches it shows that it is up. Where nobody reaches it and too few
 * may say so, the word of the node that watches it is left: silence must hide no outage. `need` left out is more than half of those
 * that have a say, and never more than there are. Nobody waits for a vote that lapsed, as long as two are left.
 */
export function countVotes(sightings: readonly Sighting[], need: number | undefined, now: Date): Quorum {
  const silent: Silent[] = [];
  const down: Sighting[] = [];
  const up: Sighting[] = [];
  const voters = sightings.filter((sighting) => mayVote(sighting, now)).length;
  for (const sighting of sightings) {
    const why = withoutVote(sighting, need, voters, now);
    if (why !== undefined) silent.push({ place: sighting.place, why, lapsed: sighting.lapsed === true });
    else if (sighting.state === 'up' || sighting.state === 'degraded') up.push(sighting);
    else down.push(sighting);
  }
  const own = sightings.find(({ here }) => here);
  const fails = own !== undefined && (own.state === 'down' || isNameFailure(own));
  const needed = need === undefined ? Math.floor((down.length + up.length) / 2) + 1 : askedFor(need, sightings, silent);
  const enough = down.length >= needed || (up.length === 0 && own !== undefined && failsHere(own, down));
  return {
    state: enough ? 'down' : up.length > 0 ? 'up' : 'unknown',
    down,
    up,
    silent,
    need: needed,
    way: fails ? own.way : undefined,
  };
}

/** Of those that there are to be asked, without those whose vote lapsed. */
function askedFor(need: number, sightings: readonly Sighting[], silent: readonly Silent[]): number {
  const asked = sightings.length - silent.filter(({ lapsed }) => lapsed).length;
  const least = sightings.some(({ here, way }) => here && way === 'open') ? 1 : Math.min(LEAST, sightings.length);
  return Math.max(1, Math.min(need, Math.max(asked, least)));
}

/** What is seen here is known to whoever is called, also where it is no vote because the way out is broken. */
function failsHere(own: Sighting, down: readonly Sighting[]): boolean {
  return down.includes(own) || (own.way === 'broken' && own.state === 'down');
}

/** Whether it has a vote, or one that counts beside that of another place. */
function mayVote(sighting: Sighting, now: Date): boolean {
  return (
    unheard(sighting, now) === undefined &&
    !isCutOff(sighting) &&
    (sighting.state !== 'unknown' || isNameFailure(sighting))
  );
}

function withoutVote(sighting: Sighting, need: number | undefined, voters: number, now: Date): string | undefined {
  const why = unheard(sighting, now);
  if (why !== undefined) return sighting.lapsed ? `${why}: its vote lapsed` : why;
  // What it reaches, it reaches.
  if (isCutOff(sighting)) return 'none of its reference points answers';
  if (sighting.state !== 'unknown') return undefined;
  // A name service that does not answer is a place's own trouble, unless others have to say the same for it to count.
  return isNameFailure(sighting) && (need ?? 2) > 1 && voters > 1 ? undefined : sighting.message;
}

function isCutOff({ state, way }: Sighting): boolean {
  return way === 'broken' && state !== 'up' && state !== 'degraded';
}

function unheard({ at, freshMs, unwell }: Sighting, now: Date): string | undefined {
  if (unwell !== undefined) return unwell;
  const age = now.getTime() - at.getTime();
  if (age < -CLOCK_MS) return 'has said something of a time that has not come';
  return age > freshMs ? 'has not reported lately' : undefined;
}
