import { formatDuration } from '../../core/duration.ts';
import type { Incidents } from '../../core/incident.ts';
import type { Roster } from './roster.ts';
import type { PlaceRow } from './tables.ts';

interface SilenceDeps {
  readonly roster: Pick<Roster, 'all'>;
  readonly incidents: Pick<Incidents, 'open' | 'resolve' | 'byFingerprint'>;
  /** Since when this node can hear. */
  readonly since: Date;
  readonly now: () => Date;
}

const REPORTS_MISSED = 3;
const SLACK_MS = 15_000;

const fingerprintOf = ({ id }: Pick<PlaceRow, 'id'>): string => `probe.silent:${id}`;

/** For how long it has said nothing, where that is longer than it may. A place cannot be heard while nobody listens. */
export function silentMs({ seen_at: seenAt, every_ms: everyMs }: PlaceRow, since: Date, now: Date): number | undefined {
  if (!seenAt) return undefined;
  const silent = now.getTime() - Math.max(seenAt.getTime(), since.getTime());
  return silent > REPORTS_MISSED * everyMs + SLACK_MS ? now.getTime() - seenAt.getTime() : undefined;
}

/** A place that does not report is a problem of its own, and says nothing about what it looks at. */
export async function lookForSilence({ roster, incidents, since, now }: SilenceDeps): Promise<void> {
  for (const place of await roster.all()) {
    const silent = silentMs(place, since, now());
    const incident = await incidents.byFingerprint(fingerprintOf(place));
    const isOpen = incident !== undefined && incident.status !== 'resolved';
    if (silent !== undefined && !isOpen)
      await incidents.open({
        fingerprint: fingerprintOf(place),
        title: `The place ${place.name} is silent: nothing is seen from there`,
        symptom: 'probe.silent',
        severity: 'warning',
        evidence: {
          place: place.name,
          silentFor: formatDuration(silent),
          lastSeen: place.seen_at?.toISOString(),
          from: place.from_address ?? undefined,
          backlog: place.backlog,
          software: place.software ?? undefined,
        },
      });
    else if (silent === undefined && isOpen && place.seen_at && place.seen_at > incident.openedAt)
      await incidents.resolve(incident.id, `${place.name} is heard again.`);
  }
}

/** Of one that was removed nothing is expected any more. */
export async function endSilence(
  place: Pick<PlaceRow, 'id' | 'name'>,
  incidents: Pick<Incidents, 'resolve' | 'byFingerprint'>,
): Promise<void> {
  const incident = await incidents.byFingerprint(fingerprintOf(place));
  if (incident && incident.status !== 'resolved') await incidents.resolve(incident.id, `${place.name} was removed.`);
}
