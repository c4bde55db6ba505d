import { sql } from 'kysely';
import type { Actor } from '../../core/actor.ts';
import { StewardError } from '../../core/errors.ts';
import { type Incident, type Incidents, type NewIncident, Severity, type TimelineEntry } from '../../core/incident.ts';
import type { JsonObject } from '../../core/json.ts';
import { redact, redactText } from '../../core/redact.ts';
import type { Store } from '../../store/store.ts';
import { createLedgerWriter, newId, type Trx } from './ledger-writer.ts';
import { type IncidentRow, type IncidentTables, toIncident, toTimelineEntry, WITHOUT_EVIDENCE } from './tables.ts';

const REOPEN_WITHIN_MS = 3_600_000;
const TIMELINE_SHOWN = 1_000;
/** A transaction stays short, however many are over at once. */
const ENDED_AT_ONCE = 100;
const RANKS = Severity.options;

/** The incidents as rows: every change of one, its timeline entry and its event are one transaction. */
export interface Ledger extends Incidents {
  /** `heldFor`: a resource that fails too; the incident is kept quiet until that one is understood. */
  open(incident: NewIncident, options?: { heldFor?: string | undefined }): Promise<Incident>;
  held(): Promise<{ readonly incident: Incident; readonly heldFor: string }[]>;
  /** Makes it the child of another: from here on that one speaks for it. */
  attach(id: string, parentId: string, why: string): Promise<void>;
  /** An incident of its own again: its parent is over, or turned out not to be the reason. */
  release(id: string, why: string): Promise<void>;
  /** Once: it comes and goes, and stays open until that ends. */
  markFlapping(id: string, message: string): Promise<void>;
  acknowledge(id: string, actor: Actor): Promise<Incident>;
  /** Ends several at once, each with its event or not at all; what is over already stays as it is. */
  resolveAll(ids: readonly string[], resolution: string): Promise<void>;
}

export function createLedger({ store, now }: { store: Store; now: () => Date }): Ledger {
  const db = store.db.withTables<IncidentTables>();
  const { write, writeAll, tell, tellAll, update } = createLedgerWriter({ store, now });

  /** Works on one unresolved incident while nobody else does; nothing happens where it is resolved already. */
  async function change(id: string, work: (trx: Trx, row: IncidentRow) => Promise<void>): Promise<boolean> {
    return await db.transaction().execute(async (trx) => {
      const row = await trx.selectFrom('incidents').selectAll().where('id', '=', id).forUpdate().executeTakeFirst();
      if (!row) throw unknownIncident(id);
      if (row.status === 'resolved') return false;
      await work(trx, row);
      return true;
    });
  }

  async function again(trx: Trx, row: IncidentRow, { title, evidence, severity }: NewIncident): Promise<IncidentRow> {
    const isWorse = RANKS.indexOf(severity) > RANKS.indexOf(row.severity);
    const updated = await update(trx, row.id, { occurrences: row.occurrences + 1, ...(isWorse && { severity }) });
    await write(trx, row.id, { kind: 'symptom', message: title, data: evidence as TimelineEntry['data'] });
    // Who did not need to hear of it so far does now.
    if (isWorse) await announce(trx, updated, { raised: true });
    else await tell(trx, 'incident.updated', updated, { change: 'symptom', occurrences: updated.occurrences });
    return updated;
  }

  async function reopen(
    trx: Trx,
    row: IncidentRow,
    incident: NewIncident,
    heldFor: string | undefined,
  ): Promise<IncidentRow> {
    // Healing gave up on it within the hour: it is not tried, nor cried, a second time.
    const gaveUp = row.escalated_at !== null && row.escalated_at.getTime() > now().getTime() - REOPEN_WITHIN_MS;
    const updated = await update(trx, row.id, {
      status: gaveUp ? 'escalated' : 'open',
      escalated_at: gaveUp ? row.escalated_at : null,
      resolved_at: null,
      resolution: null,
      acknowledged_by: null,
      // It may be down for another reason this time.
      title: redactText(incident.title),
      severity: incident.severity,
      parent_id: incident.parentId ?? null,
      held_for: heldFor ?? null,
      occurrences: row.occurrences + 1,
    });
    await write(trx, row.id, {
      kind: 'reopened',
      message: incident.title,
      data: incident.evidence as TimelineEntry['data'],
    });
    await announce(trx, updated, { reopened: true });
    return updated;
  }

  async function insert(
    trx: Trx,
    incident: NewIncident,
    heldFor: string | undefined,
  ): Promise<IncidentRow | undefined> {
    const at = now();
    const row = await trx
      .insertInto('incidents')
      .values({
        id: newId(at),
        fingerprint: incident.fingerprint,
        resource_id: incident.resourceId ?? null,
        title: redactText(incident.title),
        symptom: incident.symptom,
        severity: incident.severity,
        status: 'open',
        acknowledged_by: null,
        parent_id: incident.parentId ?? null,
        held_for: heldFor ?? null,
        opened_at: at,
        updated_at: at,
        resolved_at: null,
        escalated_at: null,
        resolution: null,
        occurrences: 1,
        evidence: JSON.stringify({ value: redact(incident.evidence) }),
      })
      .onConflict((conflict) => conflict.column('fingerprint').where('status', '<>', 'resolved').doNothing())
      .returningAll()
      .executeTakeFirst();
    if (!row) return undefined;
    await write(trx, row.id, { kind: 'opened', message: row.title });
    await announce(trx, row, {});
    return row;
  }

  /** Together with what is told of it; the rows are locked. */
  async function end(trx: Trx, rows: readonly IncidentRow[], resolution: string, actor?: Actor): Promise<void> {
    if (rows.length === 0) return;
    const [at, said] = [now(), redactText(resolution)];
    const ids = rows.map(({ id }) => id);
    const updated = await trx
      .updateTable('incidents')
      .set({ status: 'resolved', resolved_at: at, updated_at: at, resolution: said, held_for: null, flapping: false })
      .where('id', 'in', ids)
      .returningAll()
      .execute();
    const before = new Map(rows.map((row) => [row.id, row]));
    await writeAll(trx, ids, { kind: 'resolved', message: resolution, actor });
    await tellAll(
      trx,
      'incident.resolved',
      updated.map((row) => ({
        row,
        data: {
          resolution: said,
          openSeconds: Math.round((at.getTime() - row.opened_at.getTime()) / 1_000),
          announced: before.get(row.id)?.held_for === null,
        },
      })),
      actor,
    );
  }

  /** Says that an incident is there; one that is held says so only when it is clear whose fault it is. */
  async function announce(trx: Trx, row: IncidentRow, data: JsonObject): Promise<void> {
    if (row.parent_id !== null) {
      await write(trx, row.id, {
        kind: 'suppressed',
        message: 'Another incident explains it; that one speaks for both.',
        data: { parentId: row.parent_id },
      });
      await write(trx, row.parent_id, { kind: 'child', message: row.title, data: { incidentId: row.id } });
    } else if (row.held_for !== null) {
      await write(trx, row.id, {
        kind: 'suppressed',
        message: 'Something it depends on fails too; nobody is alerted until that is understood.',
        data: { resourceId: row.held_for },
      });
      await tell(trx, 'incident.updated', row, { change: 'held', heldFor: row.held_for });
      return;
    }
    await tell(trx, 'incident.opened', row, { suppressed: row.parent_id !== null, ...data });
  }

  return {
    async open(incident, { heldFor } = {}) {
      // Two nodes may open it at once; whoever comes second finds it and adds to it.
      for (let attempt = 0; attempt < 3; attempt += 1) {
        const row = await db.transaction().execute(async (trx) => {
          const last = await trx
            .selectFrom('incidents')
            .selectAll()
            .where('fingerprint', '=', incident.fingerprint)
            .orderBy('opened_at', 'desc')
            .limit(1)
            .forUpdate()
            .executeTakeFirst();
          if (last && last.status !== 'resolved') return await again(trx, last, incident);
          if (last?.resolved_at && last.resolved_at.getTime() > now().getTime() - REOPEN_WITHIN_MS)
            return await reopen(trx, last, incident, heldFor);
          return await insert(trx, incident, heldFor);
        });
        if (row) return toIncident(row);
      }
      throw new StewardError(
        'CONFLICT',
        `The incident ${incident.fingerprint} could not be opened: others keep opening and closing it.`,
        { retryable: true },
      );
    },

    async get(id) {
      const row = await db.selectFrom('incidents').selectAll().where('id', '=', id).executeTakeFirst();
      return row && toIncident(row);
    },

    async timeline(id) {
      const rows = await db
        .selectFrom('incident_timeline')
        .selectAll()
        .where('incident_id', '=', id)
        .orderBy('id')
        .limit(TIMELINE_SHOWN)
        .execute();
      return rows.map(toTimelineEntry);
    },

    async byFingerprint(fingerprint) {
      const row = await db
        .selectFrom('incidents')
        .selectAll()
        .where('fingerprint', '=', fingerprint)
        .orderBy('opened_at', 'desc')
        .limit(1)
        .executeTakeFirst();
      return row && toIncident(row);
    },

    async unresolved({ resourceIds, parentId } = {}) {
      const rows = await db
        .selectFrom('incidents')
        .select(WITHOUT_EVIDENCE)
        .where('status', '<>', 'resolved')
        .$if(resourceIds !== undefined, (query) =>
          query.where(sql<boolean>`resource_id = any(${[...(resourceIds ?? [])]}::text[])`),
        )
        .$if(parentId !== undefined, (query) => query.where('parent_id', '=', parentId ?? ''))
        .orderBy('opened_at')
        .execute();
      return rows.map(toIncident);
    },

    async held() {
      const rows = await db
        .selectFrom('incidents')
        .select(WITHOUT_EVIDENCE)
        .where('status', '<>', 'resolved')
        .where('held_for', 'is not', null)
        .execute();
      return rows.map((row) => ({ incident: toIncident(row), heldFor: row.held_for as string }));
    },

    async note(id, entry) {
      await db.transaction().execute(async (trx) => {
        if (!(await trx.selectFrom('incidents').select('id').where('id', '=', id).executeTakeFirst()))
          throw unknownIncident(id);
        const row = await update(trx, id, {});
        await write(trx, id, entry);
        await tell(
          trx,
          'incident.updated',
          row,
          { change: entry.kind, message: redactText(entry.message), ...(entry.runId && { runId: entry.runId }) },
          entry.actor,
        );
      });
    },

    async setStatus(id, status) {
      await change(id, async (trx, row) => {
        // Escalated stays escalated: a person was called.
        if (row.status === status || row.status === 'escalated') return;
        await tell(trx, 'incident.updated', await update(trx, id, { status }), { change: 'status', status });
      });
    },

    async escalate(id, why, learned) {
      let first = false;
      await change(id, async (trx, row) => {
        if (row.status === 'escalated' || row.escalated_at !== null) return;
        first = true;
        // A parent that is over speaks for nobody: without this, no person would hear of what it left behind.
        const parent =
          row.parent_id === null
            ? undefined
            : await trx.selectFrom('incidents').select('status').where('id', '=', row.parent_id).executeTakeFirst();
        const updated = await update(trx, id, {
          status: 'escalated',
          escalated_at: now(),
          ...(parent?.status === 'resolved' && { parent_id: null }),
        });
        await write(trx, id, { kind: 'escalated', message: why, data: learned as TimelineEntry['data'] });
        await tell(trx, 'incident.escalated', updated, { why: redactText(why), learned: redact(learned) });
      });
      return first;
    },

    async resolve(id, resolution, actor) {
      await change(id, (trx, row) => end(trx, [row], resolution, actor));
    },

    async resolveAll(ids, resolution) {
      for (let from = 0; from < ids.length; from += ENDED_AT_ONCE)
        await db.transaction().execute(async (trx) => {
          const rows = await trx
            .selectFrom('incidents')
            .selectAll()
            .where('id', 'in', ids.slice(from, from + ENDED_AT_ONCE))
            .where('status', '<>', 'resolved')
            // Whoever ends some of the same takes them in the same order.
            .orderBy('id')
            .forUpdate()
            .execute();
          await end(trx, rows, resolution);
        });
    },

    async attach(id, parentId, why) {
      await change(id, async (trx, row) => {
        if (row.parent_id === parentId || id === parentId) return;
        const updated = await update(trx, id, { parent_id: parentId, held_for: null });
        await write(trx, id, { kind: 'suppressed', message: why, data: { parentId } });
        await write(trx, parentId, { kind: 'child', message: row.title, data: { incidentId: id } });
        await tell(trx, 'incident.updated', updated, { change: 'parent', suppressed: true });
      });
    },

    async release(id, why) {
      await change(id, async (trx, row) => {
        if (row.parent_id === null && row.held_for === null) return;
        const updated = await update(trx, id, { parent_id: null, held_for: null });
        await write(trx, id, { kind: 'symptom', message: why });
        await tell(trx, 'incident.opened', updated, { suppressed: false, released: true });
      });
    },

    async markFlapping(id, message) {
      await change(id, async (trx, row) => {
        if (row.flapping) return;
        const updated = await update(trx, id, { flapping: true });
        await write(trx, id, { kind: 'symptom', message });
        await tell(trx, 'incident.updated', updated, { change: 'flapping', message: redactText(message) });
      });
    },

    async acknowledge(id, actor) {
      const done = await change(id, async (trx) => {
        const updated = await update(trx, id, { acknowledged_by: actor.name });
        await write(trx, id, { kind: 'acknowledged', message: `${actor.name} takes care of it.`, actor });
        await tell(trx, 'incident.acknowledged', updated, { by: actor.name }, actor);
      });
      if (!done)
        throw new StewardError('PRECONDITION_FAILED', `Incident ${id} is resolved already.`, {
          hint: 'Nothing is left to do about it.',
        });
      return toIncident(await db.selectFrom('incidents').selectAll().where('id', '=', id).executeTakeFirstOrThrow());
    },
  };
}

export function unknownIncident(id: string): StewardError {
  return new StewardError('NOT_FOUND', `There is no incident ${id}.`, {
    hint: 'See `steward incidents` for those there are.',
  });
}
