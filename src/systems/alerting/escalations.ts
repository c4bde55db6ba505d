import { randomUUID } from 'node:crypto';
import { type Selectable, sql } from 'kysely';
import type { Escalation } from '../../core/alert-routing.ts';
import { ms } from '../../core/duration.ts';
import type { Incident, Incidents } from '../../core/incident.ts';
import type { About } from './about.ts';
import { alertId, type Story, unansweredAlert } from './compose-alert.ts';
import type { Outbox, Trx } from './outbox.ts';
import type { Recipients } from './recipients.ts';
import type { Router } from './router.ts';
import type { AlertTables } from './tables.ts';

export interface EscalationDeps {
  readonly outbox: Outbox;
  readonly incidents: Pick<Incidents, 'unresolved'>;
  readonly recipients: Pick<Recipients, 'all'>;
  readonly router: Pick<Router, 'escalation'>;
  readonly about: About;
  readonly storyAbout: (event: Story['event'], incident: Incident) => Promise<Story>;
  readonly now: () => Date;
  readonly monotonicMs: () => number;
}

type Row = Selectable<AlertTables['alert_escalations']>;

/**
 * Counts how long an incident has waited for somebody and tells the next ones. The count is in the store. Within one process it goes by
 * a clock that nobody sets; from one process to the next it goes by the time of day, so that a night without Steward counts.
 */
export function createEscalations(deps: EscalationDeps) {
  const { outbox, incidents, recipients, router, about, storyAbout, now, monotonicMs } = deps;
  const { db } = outbox;
  const process = randomUUID();
  const lookedAt = new Map<string, number>();

  function waitedSince(row: Row): number {
    const own = row.looked_by === process ? lookedAt.get(row.incident_id) : undefined;
    const elapsed = own === undefined ? now().getTime() - row.looked_at.getTime() : monotonicMs() - own;
    return Math.max(0, elapsed);
  }

  /** When people heard of the present trouble first; undefined where nobody has yet. */
  async function toldSince(incidentId: string): Promise<Date | undefined> {
    const { rows } = await sql<{ since: Date | null }>`
      select min(at) as since from alerts where incident_id = ${incidentId} and kind in ('opened', 'escalated') and state = 'sent'
        and at > coalesce((select max(at) from alerts where incident_id = ${incidentId} and kind = 'resolved'), '-infinity')`.execute(
      db,
    );
    return rows[0]?.since ?? undefined;
  }

  async function lookAt(incident: Incident): Promise<void> {
    const escalation = await router.escalation(await about.subject(incident));
    const since = escalation && (await toldSince(incident.id));
    if (!since) return;
    const isPaused = await about.isCovered(incident);
    const all = await recipients.all();
    const story = await storyAbout({ id: 0, type: 'incident.updated', at: since, data: {} }, incident);
    await db.transaction().execute(async (trx) => {
      const row = await rowOf(trx, incident.id, since);
      // Time in which work was going on is nobody's neglect.
      const waited = row.waited_ms + (isPaused ? 0 : waitedSince(row));
      const told = isPaused ? row.told : dueSteps(escalation, { ...incident, waited, told: row.told });
      if (told > row.told) {
        const named = namedBetween(escalation, row.told, told);
        const alert = unansweredAlert(story, { at: now(), waitedMs: waited });
        await outbox.record(
          trx,
          // Whoever looks twice tells once.
          { ...alert, id: alertId('step', incident.id, since.toISOString(), String(told)) },
          { to: all.filter(({ name }) => named.has(name)) },
        );
      }
      await trx
        .updateTable('alert_escalations')
        .set({ waited_ms: waited, looked_at: now(), looked_by: process, told })
        .where('incident_id', '=', incident.id)
        .execute();
      lookedAt.set(incident.id, monotonicMs());
    });
  }

  async function rowOf(trx: Trx, incidentId: string, since: Date): Promise<Row> {
    await trx
      .insertInto('alert_escalations')
      .values({ incident_id: incidentId, since, waited_ms: 0, looked_at: now(), looked_by: process, told: 0 })
      .onConflict((conflict) => conflict.column('incident_id').doNothing())
      .execute();
    const row = await trx
      .selectFrom('alert_escalations')
      .selectAll()
      .where('incident_id', '=', incidentId)
      .forUpdate()
      .executeTakeFirstOrThrow();
    // It was over and began anew.
    if (row.since.getTime() === since.getTime()) return row;
    const anew = { since, waited_ms: 0, told: 0, looked_at: now(), looked_by: '' };
    await trx.updateTable('alert_escalations').set(anew).where('incident_id', '=', incidentId).execute();
    return { ...row, ...anew };
  }

  return {
    async look(): Promise<void> {
      const waiting = new Set<string>();
      for (const incident of await incidents.unresolved()) {
        const { parentId, acknowledgedBy } = incident;
        if (parentId !== undefined || acknowledgedBy !== undefined || (await about.isSpokenFor(incident))) continue;
        waiting.add(incident.id);
        await lookAt(incident);
      }
      for (const id of lookedAt.keys()) if (!waiting.has(id)) lookedAt.delete(id);
    },
  };
}

/** How many steps are told by now. What was missed while nobody looked is told once. */
function dueSteps(
  { steps, repeat }: Escalation,
  { waited, told, occurrences }: { waited: number; told: number; occurrences: number },
): number {
  let due = told;
  for (let step = steps[due]; step; step = steps[due]) {
    if (waited < ms(step.after) && occurrences < (step.occurrences ?? Infinity)) return due;
    due += 1;
  }
  const beyond = waited - ms(steps.at(-1)?.after ?? '0s');
  return Math.max(due, steps.length + Math.floor(Math.max(0, beyond) / ms(repeat)));
}

function namedBetween({ steps }: Escalation, from: number, to: number): ReadonlySet<string> {
  const last = steps.length - 1;
  const reached = from > last ? steps.slice(last) : steps.slice(from, to);
  return new Set(reached.flatMap(({ channels }) => channels));
}
