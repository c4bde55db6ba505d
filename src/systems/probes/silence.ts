import { formatDuration } from '../../core/duration.ts';
import type { Incident, Incidents } from '../../core/incident.ts';
import type { Roster } from './roster.ts';
import type { PlaceRow } from './tables.ts';

interface SilenceDeps {
  readonly roster: Pick<Roster, 'all'>;
  readonly incidents: Pick<Incidents, 'open' | 'resolve' | 'unresolved'>;
  /** Since when this node can hear. */
  readonly since: Date;
  readonly now: () => Date;
}

const REPORTS_MISSED = 3;
const SLACK_MS = 15_000;
const SYMPTOM = 'probe.silent';

const fingerprintOf = ({ id }: Pick<PlaceRow, 'id'>): string => `${SYMPTOM}:${id}`;

/** For how long it has said nothing, where that is longer than it may. A place cannot be heard while nobody listens. */
export function silentMs(
  { seen_at: seenAt, every_ms: everyMs }: Pick<PlaceRow, 'seen_at' | 'every_ms'>,
  since: Date,
  now: Date,
): number | undefined {
  if (!seenAt) return undefined;
  const silent = now.getTime() - Math.max(seenAt.getTime(), since.getTime());
  return silent > REPORTS_MISSED * everyMs + SLACK_MS ? now.getTime() - seenAt.getTime() : undefined;
}

/** When it last had a say: to report that it is unwell is as good as silence. */
export function lastWord({
  seen_at: seenAt,
  well_at: wellAt,
  joined_at: joinedAt,
}: Pick<PlaceRow, 'seen_at' | 'well_at' | 'joined_at'>): Date | null {
  return seenAt && (wellAt ?? joinedAt);
}

/** A place that does not report, or is never well, is a problem of its own, and says nothing about what it looks at. */
export async function lookForSilence({ roster, incidents, since, now }: SilenceDeps): Promise<void> {
  const open = (await incidents.unresolved()).filter(({ symptom }) => symptom === SYMPTOM);
  // Read after the incidents, so that one of a place which is not among them is of one that is no more.
  const places = await roster.all();
  for (const place of places) {
    const silent = silentMs({ ...place, seen_at: lastWord(place) }, since, now());
    if (silent === undefined || open.some(({ fingerprint }) => fingerprint === fingerprintOf(place))) continue;
    const isHeard = silentMs(place, since, now()) === undefined;
    await incidents.open({
      fingerprint: fingerprintOf(place),
      title:
        isHeard && place.unwell !== null
          ? `The place ${place.name} is unwell, and what it sees does not count: ${place.unwell}`
          : `The place ${place.name} is silent: nothing is seen from there`,
      symptom: SYMPTOM,
      severity: 'warning',
      evidence: {
        place: place.name,
        silentFor: formatDuration(silent),
        lastSeen: place.seen_at?.toISOString(),
        from: place.from_address ?? undefined,
        backlog: place.backlog,
        software: place.software ?? undefined,
        unwell: place.unwell ?? undefined,
      },
    });
  }
  for (const incident of open) {
    const place = places.find((each) => fingerprintOf(each) === incident.fingerprint);
    const why = endOf(incident, place);
    if (why !== undefined) await incidents.resolve(incident.id, why);
  }
}

function endOf({ openedAt }: Incident, place: PlaceRow | undefined): string | undefined {
  if (!place) return 'It was removed.';
  const heardAt = lastWord(place);
  if (!heardAt) return `${place.name} was invited anew.`;
  return heardAt > openedAt ? `${place.name} is heard again.` : undefined;
}
