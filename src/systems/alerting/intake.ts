import type { Alert } from '../../core/alert.ts';
import type { Taker } from '../../core/alert-routing.ts';
import type { EventType, StewardEvent } from '../../core/event.ts';
import type { Incident, Incidents, TimelineEntry } from '../../core/incident.ts';
import type { Inventory } from '../../core/inventory.ts';
import type { About } from './about.ts';
import {
  acknowledgedAlert,
  alertId,
  escalatedAlert,
  healedAlert,
  openedAlert,
  reminderAlert,
  resolvedAlert,
  type Story,
} from './compose-alert.ts';
import type { OwnRules } from './own-rules.ts';
import type { Outbox, Trx } from './outbox.ts';
import { coveredInWords } from './proposals.ts';
import type { Recipients } from './recipients.ts';
import { silenceInWords } from './silences.ts';
import type { Successes } from './successes.ts';
import { type AlertingSettings, hearsOfAcknowledgement } from './settings.ts';

export interface IntakeDeps {
  readonly outbox: Outbox;
  readonly incidents: Pick<Incidents, 'get' | 'note' | 'unresolved'>;
  readonly inventory: Pick<Inventory, 'get' | 'dependentsOf'>;
  readonly timeline: (incidentId: string) => Promise<readonly TimelineEntry[]>;
  readonly recipients: Pick<Recipients, 'all'>;
  readonly about: About;
  readonly ownRules: Pick<OwnRules, 'takeIn'>;
  readonly successes: Pick<Successes, 'decision'>;
  readonly settings: () => AlertingSettings;
  readonly now: () => Date;
  readonly node: string;
  readonly baseUrl: () => string | undefined;
}

export const HEARD: readonly EventType[] = [
  'incident.opened',
  'incident.escalated',
  'incident.acknowledged',
  'incident.resolved',
];

const SETTLES_WITHIN_MS = 300_000;
/** Between two looks whether the work on what an alert is about is over. */
const MAINTENANCE_LOOK_MS = 10_000;

/** Turns what happens to incidents into alerts on record. Harmless twice: the event gives the alert its id. */
export function createIntake(deps: IntakeDeps) {
  const {
    outbox,
    incidents,
    inventory,
    timeline,
    recipients,
    about,
    ownRules,
    successes,
    settings,
    now,
    node,
    baseUrl,
  } = deps;

  async function storyOf(event: StewardEvent): Promise<Story | undefined> {
    const id = event.causation?.incidentId ?? event.subject?.id;
    const incident = id === undefined ? undefined : await incidents.get(id);
    if (!incident) return undefined;
    return await storyAbout(event, incident);
  }

  async function storyAbout(event: StewardEvent, incident: Incident): Promise<Story> {
    const resource = incident.resourceId === undefined ? undefined : await inventory.get(incident.resourceId);
    const dependents = resource && incident.symptom === 'service.down' ? await inventory.dependentsOf(resource.id) : [];
    return {
      event,
      incident,
      service: resource?.name,
      dependents: dependents.map(({ name }) => name).toSorted(),
      timeline: await timeline(incident.id),
      node,
      baseUrl: baseUrl(),
    };
  }

  async function opened(story: Story): Promise<void> {
    const { incident } = story;
    // Its parent speaks for it. Should that turn out wrong, the incident is opened once more, on its own.
    if (incident.parentId !== undefined) return;
    const demotion = await about.demotion(incident);
    if (demotion) {
      // On record, so that the digest has it.
      await transaction((trx) => outbox.record(trx, openedAlert(story), { to: [] }));
      await incidents.note(incident.id, { kind: 'suppressed', message: coveredInWords(demotion) });
      return;
    }
    if (await about.isSpokenFor(incident)) return;
    const holdMs = Math.max(
      mayHealFirst(story) ? settings().holdMs : 0,
      (await about.isCovered(incident)) ? MAINTENANCE_LOOK_MS : 0,
    );
    const alert = openedAlert(story);
    const to = await about.takers(incident, alert.severity);
    await transaction((trx) => outbox.record(trx, alert, { holdMs, to }));
    const silence = await about.silence(incident);
    if (silence) await incidents.note(incident.id, { kind: 'suppressed', message: silenceInWords(silence) });
  }

  async function escalated(story: Story): Promise<void> {
    if (story.incident.parentId !== undefined || (await about.isSpokenFor(story.incident))) return;
    const holdMs = (await about.isCovered(story.incident)) ? MAINTENANCE_LOOK_MS : 0;
    const alert = escalatedAlert(story);
    const to = await about.takers(story.incident, alert.severity);
    await transaction(async (trx) => {
      await dropHeld(trx, story.incident.id);
      await outbox.record(trx, alert, { holdMs, to });
    });
  }

  async function acknowledged(story: Story): Promise<void> {
    await transaction(async (trx) => {
      const told = await toldSinceLastEnd(trx, story.incident.id);
      const to = (await recipients.all()).filter((one) => told.has(one.name) && hearsOfAcknowledgement(one));
      if (to.length > 0) await outbox.record(trx, acknowledgedAlert(story), { to });
    });
  }

  async function resolved(story: Story): Promise<void> {
    const { incident } = story;
    const covered = await about.isCovered(incident);
    const { healed, readers } = await unheardEnd(story);
    // For some it is quiet now by the route that leads to them.
    const takers = new Map((await about.takers(incident, incident.severity)).map((taker) => [taker.name, taker]));
    await transaction(async (trx) => {
      const told = await toldSinceLastEnd(trx, incident.id);
      const held = await dropHeld(trx, incident.id);
      // Whoever heard of the beginning hears of the end.
      if (told.size > 0)
        await outbox.record(trx, resolvedAlert(story), {
          to: (await recipients.all())
            .filter(({ name }) => told.has(name))
            .map((recipient) => takers.get(recipient.name) ?? recipient),
        });
      else if (held && !covered) await outbox.record(trx, healed, { to: readers });
    });
  }

  /** What healed before anyone was told is a success: a route may say what becomes of those. */
  async function unheardEnd(story: Story): Promise<{ healed: Alert; readers: readonly Taker[] }> {
    const healed = healedAlert(story);
    const { symptom, ...subject } = await about.subject(story.incident);
    const decided = await successes.decision({ ...subject, names: [symptom] }, now());
    return decided
      ? { healed: { ...healed, kind: 'success' }, readers: decided.told }
      : { healed, readers: await about.takers(story.incident, healed.severity) };
  }

  async function dropHeld(trx: Trx, incidentId: string): Promise<boolean> {
    const { numUpdatedRows } = await trx
      .updateTable('alerts')
      .set({ state: 'dropped' })
      .where('incident_id', '=', incidentId)
      .where('state', '=', 'held')
      .executeTakeFirst();
    return numUpdatedRows > 0n;
  }

  async function toldSinceLastEnd(trx: Trx, incidentId: string): Promise<ReadonlySet<string>> {
    const end = await trx
      .selectFrom('alerts')
      .select('at')
      .where('incident_id', '=', incidentId)
      .where('kind', '=', 'resolved')
      .orderBy('at', 'desc')
      .limit(1)
      .executeTakeFirst();
    const rows = await trx
      .selectFrom('alerts')
      .innerJoin('alert_deliveries', 'alert_deliveries.alert_id', 'alerts.id')
      .select('alert_deliveries.channel')
      .distinct()
      .where('alerts.incident_id', '=', incidentId)
      .where('alerts.kind', 'in', ['opened', 'escalated'])
      .where('alert_deliveries.state', 'in', ['pending', 'delivered', 'quiet', 'summarized'])
      .$if(end !== undefined, (query) => query.where('alerts.at', '>', end?.at ?? new Date(0)))
      .execute();
    return new Set(rows.map(({ channel }) => channel));
  }

  async function transaction(work: (trx: Trx) => Promise<unknown>): Promise<void> {
    await outbox.db.transaction().execute(async (trx) => void (await work(trx)));
  }

  /** Whether there is anything to tell the end of. */
  async function isOnRecord(incidentId: string | undefined): Promise<boolean> {
    const query = outbox.db
      .selectFrom('alerts')
      .select('id')
      .where('incident_id', '=', incidentId ?? '');
    return (await query.limit(1).executeTakeFirst()) !== undefined;
  }

  /** When people last heard of it, if they did since it began. */
  async function lastToldAt(incidentId: string): Promise<Date | undefined> {
    const row = await outbox.db
      .selectFrom('alerts')
      .select(['at', 'kind'])
      .where('incident_id', '=', incidentId)
      .where('state', '=', 'sent')
      .orderBy('at', 'desc')
      .limit(1)
      .executeTakeFirst();
    return row && row.kind !== 'resolved' ? row.at : undefined;
  }

  return {
    storyAbout,

    /** Tells again of what is still open, where the configuration wants that and nobody takes care of it. */
    async remind(): Promise<void> {
      const { repeatMs } = settings();
      if (repeatMs === undefined) return;
      for (const incident of await incidents.unresolved()) {
        if (
          incident.parentId !== undefined ||
          incident.acknowledgedBy !== undefined ||
          (await about.isSpokenFor(incident))
        )
          continue;
        const toldAt = await lastToldAt(incident.id);
        if (!toldAt || now().getTime() - toldAt.getTime() < repeatMs || (await about.isCovered(incident))) continue;
        // Two nodes say it once: the alert that it follows gives it its id.
        const cause = { id: 0, type: 'incident.updated', at: toldAt, data: {} } as const;
        const reminder = reminderAlert(await storyAbout(cause, incident), now());
        const to = await about.takers(incident, reminder.severity);
        await transaction((trx) =>
          outbox.record(trx, { ...reminder, id: alertId('reminder', incident.id, toldAt.toISOString()) }, { to }),
        );
      }
    },

    async handle(event: StewardEvent): Promise<void> {
      // Of five hundred that another one speaks for, none is read for nothing.
      if (event.type === 'incident.opened' && event.data['suppressed'] === true) return;
      if (event.type === 'incident.resolved' && !(await isOnRecord(event.causation?.incidentId ?? event.subject?.id)))
        return;
      const story = await storyOf(event);
      if (!story) return;
      if (event.type === 'incident.opened') await ownRules.takeIn(story.incident);
      if (event.type === 'incident.opened') await opened(story);
      else if (event.type === 'incident.escalated') await escalated(story);
      else if (event.type === 'incident.acknowledged') await acknowledged(story);
      else if (event.type === 'incident.resolved') await resolved(story);
    },

    /** Looks once more at alerts whose hold is over: what healed or is explained meanwhile is not told. */
    async settleHeld(): Promise<void> {
      for (const { id, incident_id: incidentId, severity } of await outbox.due()) {
        const incident = incidentId === null ? undefined : await incidents.get(incidentId);
        // The event of the resolution drops it and tells that it is over; it waits in line behind this one.
        if (
          incident?.status === 'resolved' &&
          now().getTime() - (incident.resolvedAt ?? now()).getTime() < SETTLES_WITHIN_MS
        )
          continue;
        if (incident && incident.status !== 'resolved' && (await about.isCovered(incident))) {
          await outbox.postpone(id, MAINTENANCE_LOOK_MS);
          continue;
        }
        const isMoot = !incident || incident.status === 'resolved' || incident.parentId !== undefined;
        await outbox.settle(id, isMoot ? undefined : await about.takers(incident, severity));
      }
    },
  };
}

/** Healing gets its chance, except where the problem is critical, or came back after healing had given up. */
function mayHealFirst({ event, incident }: Story): boolean {
  return incident.severity !== 'critical' && !(event.data['reopened'] === true && incident.status === 'escalated');
}
