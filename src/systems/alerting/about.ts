import type { AlertSubject, Taker } from '../../core/alert-routing.ts';
import type { Incident, Severity } from '../../core/incident.ts';
import type { Inventory } from '../../core/inventory.ts';
import type { Maintenance } from '../../core/maintenance.ts';
import type { Resource } from '../../core/resource.ts';
import type { Router } from './router.ts';
import type { Silence, Silences } from './silences.ts';
import type { AlertingSettings } from './settings.ts';

/** What everybody who would speak of an incident asks first. */
export interface About {
  /** Whether nobody is told of it for now: work is going on that explains it, or somebody silenced it. */
  isCovered(incident: Incident): Promise<boolean>;
  silence(incident: Incident): Promise<Silence | undefined>;
  /** Whether a group speaks for what it is about. */
  isSpokenFor(incident: Incident): Promise<boolean>;
  subject(incident: Incident, severity?: Severity): Promise<AlertSubject>;
  /** Who is told of it, where the alert is of this severity. */
  takers(incident: Incident, severity: Severity): Promise<readonly Taker[]>;
}

export function createAbout({
  inventory,
  maintenance,
  router,
  silences,
  settings,
  now,
}: {
  readonly inventory: Pick<Inventory, 'get'>;
  readonly maintenance?: Pick<Maintenance, 'activeFor'> | undefined;
  readonly router: Pick<Router, 'takers'>;
  readonly silences: Pick<Silences, 'of'>;
  readonly settings: () => AlertingSettings;
  readonly now: () => Date;
}): About {
  const resourceOf = async ({ resourceId }: Incident): Promise<Resource | undefined> =>
    resourceId === undefined ? undefined : await inventory.get(resourceId);

  const subject: About['subject'] = async (incident, severity = incident.severity) => {
    const resource = await resourceOf(incident);
    return { service: resource?.name, labels: resource?.labels ?? {}, severity, symptom: incident.symptom };
  };

  const silence: About['silence'] = async (incident) => await silences.of(await subject(incident));

  return {
    async isCovered(incident) {
      if ((await silence(incident)) !== undefined) return true;
      const resource = maintenance && (await resourceOf(incident));
      return resource !== undefined && (await maintenance?.activeFor(resource, now())) !== undefined;
    },
    silence,
    async isSpokenFor(incident) {
      const speaks = settings().isSpokenFor;
      const resource = speaks && (await resourceOf(incident));
      return resource !== undefined && speaks?.(resource) === true;
    },
    subject,
    takers: async (incident, severity) => await router.takers(await subject(incident, severity)),
  };
}
