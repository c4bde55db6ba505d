import type { AlertSubject, Taker } from '../../core/alert-routing.ts';
import type { Incident, Severity } from '../../core/incident.ts';
import type { Inventory } from '../../core/inventory.ts';
import type { Maintenance } from '../../core/maintenance.ts';
import type { Resource } from '../../core/resource.ts';
import type { Proposal, Proposals } from './proposals.ts';
import type { Router } from './router.ts';
import type { Silence, Silences } from './silences.ts';
import type { AlertingSettings } from './settings.ts';

/** What everybody who would speak of an incident asks first. */
export interface About {
  /** Whether nobody is told of it for now: work is going on that explains it, or somebody silenced it. */
  isCovered(incident: Incident): Promise<boolean>;
  silence(incident: Incident): Promise<Silence | undefined>;
  /** The decision by which nobody but the digest tells of it. */
  demotion(incident: Incident): Promise<Proposal | undefined>;
  /** Whether something else speaks for it: a group for what it is about, or the digest. */
  isSpokenFor(incident: Incident): Promise<boolean>;
  subject(incident: Pick<Incident, 'resourceId' | 'symptom' | 'severity'>, severity?: Severity): Promise<AlertSubject>;
  /** Who is told of it, where the alert is of this severity. */
  takers(incident: Incident, severity: Severity): Promise<readonly Taker[]>;
}

export function createAbout({
  inventory,
  maintenance,
  router,
  silences,
  proposals,
  settings,
  now,
}: {
  readonly inventory: Pick<Inventory, 'get'>;
  readonly maintenance?: Pick<Maintenance, 'activeFor'> | undefined;
  readonly router: Pick<Router, 'takers'>;
  readonly silences: Pick<Silences, 'of'>;
  readonly proposals: Pick<Proposals, 'covering'>;
  readonly settings: () => AlertingSettings;
  readonly now: () => Date;
}): About {
  const resourceOf = async ({ resourceId }: Pick<Incident, 'resourceId'>): Promise<Resource | undefined> =>
    resourceId === undefined ? undefined : await inventory.get(resourceId);

  const subject: About['subject'] = async (incident, severity = incident.severity) => {
    const resource = await resourceOf(incident);
    return { service: resource?.name, labels: resource?.labels ?? {}, severity, symptom: incident.symptom };
  };

  const silence: About['silence'] = async (incident) => await silences.of(await subject(incident));

  const demotion: About['demotion'] = async (incident) => {
    const { service, symptom, severity } = await subject(incident);
    return await proposals.covering({ service, symptom }, severity);
  };

  return {
    demotion,
    async isCovered(incident) {
      if ((await silence(incident)) !== undefined) return true;
      const resource = maintenance && (await resourceOf(incident));
      return resource !== undefined && (await maintenance?.activeFor(resource, now())) !== undefined;
    },
    silence,
    async isSpokenFor(incident) {
      const speaks = settings().isSpokenFor;
      const resource = speaks && (await resourceOf(incident));
      return (resource !== undefined && speaks?.(resource) === true) || (await demotion(incident)) !== undefined;
    },
    subject,
    takers: async (incident, severity) => await router.takers(await subject(incident, severity)),
  };
}
