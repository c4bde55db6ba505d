import { sql, type Transaction } from 'kysely';
import type { EventType } from '../../core/event.ts';
import type { JsonObject } from '../../core/json.ts';
import { redactText } from '../../core/redact.ts';
import type { Store } from '../../store/store.ts';
import { backoffMs, type HealingSettings } from './settings.ts';
import { type Attempt, type AttemptStatus, type HealingTables, UNDISTURBING, UNFINISHED } from './tables.ts';

const HOUR_MS = 3_600_000;

export interface AttemptRequest {
  readonly incidentId: string;
  readonly resourceId: string;
  readonly fingerprint: string;
  readonly symptom: string;
  readonly node: string;
  readonly runbook: string;
  readonly automation: string;
  readonly input: JsonObject;
  readonly disruptive: boolean;
}

/** Whether an attempt may be made now; where it may, it is counted already. */
export type Reservation =
  | { readonly kind: 'granted'; readonly attempt: Attempt }
  | { readonly kind: 'busy' }
  | { readonly kind: 'too-soon'; readonly until: Date }
  /** So many disruptive ones were made within the hour, for whatever resource on whatever node. */
  | { readonly kind: 'limited'; readonly until: Date; readonly made: number }
  | { readonly kind: 'exhausted'; readonly by: 'incident' | 'hour' };

/** The attempts made, kept where a restart of Steward does not reset them. */
export interface Attempts {
  /** Counts the attempt before anything of it is begun: one that Steward dies in is neither lost nor made twice. */
  reserve(request: AttemptRequest, settings: HealingSettings): Promise<Reservation>;
  update(
    attempt: Attempt,
    values: Partial<Pick<Attempt, 'status' | 'run_id' | 'soaking_since' | 'soak_until' | 'seen'>>,
  ): Promise<Attempt>;
  finish(
    attempt: Attempt,
    status: Extract<AttemptStatus, 'succeeded' | 'failed' | 'abandoned'>,
    outcome: string,
  ): Promise<void>;
  unfinished(node: string): Promise<Attempt[]>;
  ofIncident(incidentId: string): Promise<Attempt[]>;
  /** Monitoring told of the symptom again. */
  relapsed(resourceId: string, symptom: string, at: Date): Promise<void>;
  /** True for the first to make this remark on this incident. */
  remark(incidentId: string, remark: string): Promise<boolean>;
}

export function createAttempts({ store, now }: { store: Store; now: () => Date }): Attempts {
  const db = store.db.withTables<HealingTables>();

  async function tell(
    trx: Transaction<HealingTables>,
    type: EventType,
    attempt: Attempt,
    data: JsonObject = {},
  ): Promise<void> {
    await store.events.append(trx, {
      type,
      subject: { kind: 'incident', id: attempt.incident_id },
      data: {
        incidentId: attempt.incident_id,
        resourceId: attempt.resource_id,
        fingerprint: attempt.fingerprint,
        attempt: attempt.number,
        runbook: attempt.runbook,
        ...(attempt.run_id !== null && { runId: attempt.run_id }),
        ...data,
      },
      causation: { incidentId: attempt.incident_id, ...(attempt.run_id !== null && { runId: attempt.run_id }) },
      node: attempt.node,
    });
  }

  /** The disruptive ones of the last hour, everywhere. */
  async function overLimit(
    trx: Transaction<HealingTables>,
    at: Date,
    { disruptivePerHour }: HealingSettings,
  ): Promise<Reservation | undefined> {
    await sql`select pg_advisory_xact_lock(hashtextextended('healing:disruptive', 0))`.execute(trx);
    const made = await trx
      .selectFrom('healing_attempts')
      .select('started_at')
      .where('disruptive', '=', true)
      .where('started_at', '>', new Date(at.getTime() - HOUR_MS))
      .where('status', 'not in', UNDISTURBING)
      .orderBy('started_at', 'desc')
      .limit(disruptivePerHour)
      .execute();
    const oldest = made.at(-1);
    if (made.length < disruptivePerHour || !oldest) return undefined;
    return { kind: 'limited', until: new Date(oldest.started_at.getTime() + HOUR_MS), made: made.length };
  }

  return {
    async reserve(request, settings) {
      return await db.transaction().execute(async (trx): Promise<Reservation> => {
        // Whoever counts must be alone, or two would each find room for one more.
        await sql`select pg_advisory_xact_lock(hashtextextended(${`healing:${request.resourceId}`}, 0))`.execute(trx);
        const at = now();
        const made = await trx
          .selectFrom('healing_attempts')
          .selectAll()
          .where((where) =>
            where.or([
              where('incident_id', '=', request.incidentId),
              where.and([
                where('resource_id', '=', request.resourceId),
                where('started_at', '>', new Date(at.getTime() - HOUR_MS)),
              ]),
            ]),
          )
          .orderBy('started_at')
          .orderBy('id')
          .execute();
        if (made.some(({ finished_at }) => finished_at === null)) return { kind: 'busy' };
        const chain = made.filter(({ incident_id }) => incident_id === request.incidentId);
        if (request.disruptive) {
          const disruptive = made.filter((attempt) => attempt.disruptive);
          const lastHour = disruptive.filter(
            ({ resource_id, started_at }) =>
              resource_id === request.resourceId && started_at.getTime() > at.getTime() - HOUR_MS,
          );
          const ofIncident = disruptive.filter(({ incident_id }) => incident_id === request.incidentId);
          if (ofIncident.length >= settings.attempts) return { kind: 'exhausted', by: 'incident' };
          if (lastHour.length >= settings.perHour) return { kind: 'exhausted', by: 'hour' };
        }
        const ended = chain.at(-1)?.finished_at;
        const until = ended && new Date(ended.getTime() + backoffMs(settings, chain.length));
        if (until && until > at) return { kind: 'too-soon', until };
        const limited = request.disruptive ? await overLimit(trx, at, settings) : undefined;
        if (limited) return limited;

        const attempt = await trx
          .insertInto('healing_attempts')
          .values({
            incident_id: request.incidentId,
            resource_id: request.resourceId,
            fingerprint: request.fingerprint,
            symptom: request.symptom,
            node: request.node,
            number: Math.max(0, ...chain.map(({ number }) => number)) + 1,
            runbook: request.runbook,
            automation: request.automation,
            input: JSON.stringify(request.input),
            disruptive: request.disruptive,
            status: 'starting',
            run_id: null,
            started_at: at,
            soaking_since: null,
            soak_until: null,
            seen: 0,
            relapsed_at: null,
            recurred_at: null,
            finished_at: null,
            outcome: null,
          })
          .returningAll()
          .executeTakeFirstOrThrow();
        await tell(trx, 'healing.started', attempt);
        return { kind: 'granted', attempt };
      });
    },

    async update(attempt, values) {
      return await db
        .updateTable('healing_attempts')
        .set(values)
        .where('id', '=', attempt.id)
        .returningAll()
        .executeTakeFirstOrThrow();
    },

    async finish(attempt, status, outcome) {
      await db.transaction().execute(async (trx) => {
        const finished = await trx
          .updateTable('healing_attempts')
          .set({ status, outcome: redactText(outcome), finished_at: now() })
          .where('id', '=', attempt.id)
          .where('finished_at', 'is', null)
          .returningAll()
          .executeTakeFirst();
        if (finished && status !== 'abandoned')
          await tell(trx, status === 'succeeded' ? 'healing.succeeded' : 'healing.failed', finished, {
            outcome: finished.outcome ?? '',
          });
      });
    },

    async unfinished(node) {
      return await db
        .selectFrom('healing_attempts')
        .selectAll()
        .where('node', '=', node)
        .where('finished_at', 'is', null)
        .where('status', 'in', UNFINISHED)
        .orderBy('id')
        .execute();
    },

    async ofIncident(incidentId) {
      return await db
        .selectFrom('healing_attempts')
        .selectAll()
        .where('incident_id', '=', incidentId)
        .orderBy('number')
        .execute();
    },

    async relapsed(resourceId, symptom, at) {
      await db
        .updateTable('healing_attempts')
        .set({ relapsed_at: at })
        .where('resource_id', '=', resourceId)
        .where('symptom', '=', symptom)
        .where('status', '=', 'soaking')
        .where('soaking_since', '<', at)
        .where('relapsed_at', 'is', null)
        .execute();
    },

    async remark(incidentId, remark) {
      const { numInsertedOrUpdatedRows = 0n } = await db
        .insertInto('healing_remarks')
        .values({ incident_id: incidentId, remark, at: now() })
        .onConflict((conflict) => conflict.doNothing())
        .executeTakeFirst();
      return numInsertedOrUpdatedRows > 0n;
    },
  };
}
