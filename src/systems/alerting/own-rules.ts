import { atLeast } from '../../core/alert-routing.ts';
import type { Incident, Incidents } from '../../core/incident.ts';

/** On the shipped rules about services: how Steward itself calls that problem. */
const LABEL = 'steward';
/** Begins the fingerprints of what such a rule said before Steward itself did. */
const EARLY = 'alertmanager:own:';
/** Prometheus looks back: its rule may fire for a moment longer than the problem lasts. */
const LINGERS_MS = 300_000;

interface Fired {
  readonly fingerprint: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly resourceId: string | undefined;
  readonly title: string;
  readonly severity: Incident['severity'];
}

export type OwnRules = ReturnType<typeof createOwnRules>;

/**
 * Steward's own metrics come back as alerts where the shipped rules are loaded. What they say of a service is the problem that Steward
 * has an incident about: one problem is one incident.
 */
export function createOwnRules({
  incidents,
  now,
}: {
  readonly incidents: Pick<Incidents, 'byFingerprint' | 'unresolved' | 'timeline' | 'note' | 'resolve'>;
  readonly now: () => Date;
}) {
  async function known(symptom: string, { resourceId, severity }: Fired): Promise<Incident | undefined> {
    if (resourceId === undefined) return undefined;
    const open = (await incidents.unresolved({ resourceIds: [resourceId] })).filter(isOurs);
    const same = open.find((each) => each.symptom === symptom) ?? open.find((each) => atLeast(each.severity, severity));
    if (same) return same;
    const last = await incidents.byFingerprint(`${symptom}:${resourceId}`);
    const overMs = now().getTime() - (last?.resolvedAt?.getTime() ?? -Infinity);
    return overMs < LINGERS_MS ? last : undefined;
  }

  /** Once for each alert, however often it is repeated. */
  async function note(incidentId: string, { fingerprint, labels, title }: Omit<Fired, 'resourceId' | 'severity'>) {
    const said = await incidents.timeline(incidentId);
    if (said.some(({ data }) => isFrom(data, fingerprint))) return;
    await incidents.note(incidentId, {
      kind: 'symptom',
      message: `Alertmanager says so too (${labels['alertname'] ?? 'a rule'}): ${title}`,
      data: { alertmanager: fingerprint, labels },
    });
  }

  return {
    /** Under which fingerprint what it says is an incident of its own, while Steward has none. */
    fingerprintOf: ({ fingerprint, labels }: Pick<Fired, 'fingerprint' | 'labels'>): string =>
      labels[LABEL] === undefined ? `alertmanager:${fingerprint}` : `${EARLY}${fingerprint}`,

    /** The incident of Steward that it belongs to, which says so from then on. */
    async join(fired: Fired): Promise<Incident | undefined> {
      const symptom = fired.labels[LABEL];
      const incident = symptom === undefined ? undefined : await known(symptom, fired);
      if (incident) await note(incident.id, fired);
      return incident;
    },

    /** Steward noticed it after all: what such a rule said of it before is no problem of its own. */
    async takeIn(incident: Incident): Promise<void> {
      if (incident.resourceId === undefined || !isOurs(incident)) return;
      for (const early of await incidents.unresolved({ resourceIds: [incident.resourceId] })) {
        if (!early.fingerprint.startsWith(EARLY)) continue;
        const fingerprint = early.fingerprint.slice(EARLY.length);
        await note(incident.id, { fingerprint, labels: {}, title: early.title });
        await incidents.resolve(early.id, `It is what Steward noticed itself: ${incident.title}`);
      }
    },
  };
}

function isOurs({ symptom }: Incident): boolean {
  return !symptom.startsWith('external.');
}

function isFrom(data: unknown, fingerprint: string): boolean {
  return data !== null && typeof data === 'object' && 'alertmanager' in data && data.alertmanager === fingerprint;
}
