import { randomBytes } from 'node:crypto';
import type { Transaction } from 'kysely';
import type { Actor } from '../../core/actor.ts';
import type { EventType } from '../../core/event.ts';
import type { TimelineEntry } from '../../core/incident.ts';
import type { JsonObject } from '../../core/json.ts';
import { redact, redactText } from '../../core/redact.ts';
import type { Store } from '../../store/store.ts';
import type { IncidentRow, IncidentTables } from './tables.ts';

export type Trx = Transaction<IncidentTables>;
type Entry = Omit<TimelineEntry, 'at'>;

interface Tale {
  readonly row: IncidentRow;
  readonly data: JsonObject;
}

/** What every change of an incident is made of; all of it in the transaction given. */
export interface LedgerWriter {
  write(trx: Trx, id: string, entry: Entry): Promise<void>;
  /** The same of several. */
  writeAll(trx: Trx, ids: readonly string[], entry: Entry): Promise<void>;
  tell(trx: Trx, type: EventType, row: IncidentRow, data?: JsonObject, actor?: Actor): Promise<void>;
  /** Of each what there is to say of it, in this order. */
  tellAll(trx: Trx, type: EventType, tales: readonly Tale[], actor?: Actor): Promise<void>;
  update(trx: Trx, id: string, values: Partial<Omit<IncidentRow, 'id' | 'evidence'>>): Promise<IncidentRow>;
}

export function createLedgerWriter({ store, now }: { store: Store; now: () => Date }): LedgerWriter {
  async function writeAll(trx: Trx, ids: readonly string[], entry: Entry): Promise<void> {
    await trx
      .insertInto('incident_timeline')
      .values(
        ids.map((id) => ({
          incident_id: id,
          at: now(),
          kind: entry.kind,
          message: redactText(entry.message),
          run_id: entry.runId ?? null,
          actor: entry.actor ? JSON.stringify(entry.actor) : null,
          data: entry.data === undefined ? null : JSON.stringify({ value: redact(entry.data) }),
        })),
      )
      .execute();
  }

  async function tellAll(trx: Trx, type: EventType, tales: readonly Tale[], actor?: Actor): Promise<void> {
    await store.events.appendAll(
      trx,
      tales.map(({ row, data }) => ({
        type,
        subject: { kind: 'incident', id: row.id },
        data: {
          incidentId: row.id,
          title: row.title,
          symptom: row.symptom,
          severity: row.severity,
          fingerprint: row.fingerprint,
          ...(row.resource_id !== null && { resourceId: row.resource_id }),
          ...(row.parent_id !== null && { parentId: row.parent_id }),
          ...data,
        },
        causation: { incidentId: row.id },
        actor,
      })),
    );
  }

  async function update(
    trx: Trx,
    id: string,
    values: Partial<Omit<IncidentRow, 'id' | 'evidence'>>,
  ): Promise<IncidentRow> {
    return await trx
      .updateTable('incidents')
      .set({ ...values, updated_at: now() })
      .where('id', '=', id)
      .returningAll()
      .executeTakeFirstOrThrow();
  }

  return {
    writeAll,
    write: (trx, id, entry) => writeAll(trx, [id], entry),
    tellAll,
    tell: (trx, type, row, data = {}, actor) => tellAll(trx, type, [{ row, data }], actor),
    update,
  };
}

/** Sorts by the time of its making. */
export function newId(at: Date): string {
  return `inc_${at.getTime().toString(16).padStart(12, '0')}${randomBytes(4).toString('hex')}`;
}
