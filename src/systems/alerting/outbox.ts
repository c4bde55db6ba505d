import { type Kysely, sql, type Transaction } from 'kysely';
import type { Alert, Attachment } from '../../core/alert.ts';
import { laterOf, quietEnd, type Taker } from '../../core/alert-routing.ts';
import type { StewardError } from '../../core/errors.ts';
import { storableText } from '../../core/storable-text.ts';
import type { Store } from '../../store/store.ts';
import { recordAttempt } from './attempts.ts';
import { type AlertingSettings, hearsOfAcknowledgement } from './settings.ts';
import { type AlertRow, type AlertTables, type DeliveryRow, toAlert } from './tables.ts';

export const ALERTS_CHANNEL = 'steward_alerts';

export type Trx = Transaction<AlertTables>;

export interface OutboxDeps {
  readonly store: Store;
  readonly settings: () => AlertingSettings;
  readonly now: () => Date;
}

export interface Claim {
  readonly alert: Alert;
  readonly delivery: DeliveryRow;
  readonly attachments: readonly Attachment[];
  readonly since: Date;
}

const HOUR_MS = 3_600_000;
/** Longer than any attempt: after it, whoever had the delivery in hand is gone. */
const CLAIM_MS = 60_000;

export type Outbox = ReturnType<typeof createOutbox>;

/** The alerts that are to be told, and to whom: written before anything is sent, so that no end of the process loses one. */
export function createOutbox({ store, settings, now }: OutboxDeps) {
  const db: Kysely<AlertTables> = store.db.withTables<AlertTables>();

  /** One delivery for each channel that takes it. What the brake or quiet hours hold back is on record too. */
  async function send(
    trx: Trx,
    alert: Alert,
    to: readonly Taker[],
    { insteadOf, quietOver = false }: { insteadOf?: string; quietOver?: boolean | undefined } = {},
  ): Promise<void> {
    for (const { name: channel, kind, quiet, quietUntil } of to) {
      const until = quietOver ? undefined : laterOf(quietUntil, quietEnd(quiet, alert.severity, now()));
      const waits = until !== undefined && isToldInDigest(alert, kind);
      const held =
        until === undefined && !alwaysPasses(alert) && (await sentWithinHour(trx, channel)) >= settings().perHour;
      await trx
        .insertInto('alert_deliveries')
        .values({
          alert_id: alert.id,
          channel,
          state: waits ? 'quiet' : held ? 'throttled' : 'pending',
          next_at: until ?? now(),
          claimed_by: null,
          receipt: null,
          last_error: null,
          instead_of: insteadOf ?? null,
          created_at: now(),
          finished_at: null,
        })
        .onConflict((conflict) => conflict.columns(['alert_id', 'channel']).doNothing())
        .execute();
    }
    await sql`select pg_notify(${ALERTS_CHANNEL}, '')`.execute(trx);
  }

  /** Only what is there to be read has any. */
  async function attachmentsOf({ id, kind }: AlertRow): Promise<Attachment[]> {
    if (kind !== 'digest') return [];
    const rows = await db
      .selectFrom('alert_attachments')
      .select(['file_name', 'content_type', 'content'])
      .where('alert_id', '=', id)
      .orderBy('file_name')
      .execute();
    return rows.map(({ file_name: fileName, content_type: contentType, content }) => ({
      fileName,
      contentType,
      content,
    }));
  }

  async function sentWithinHour(trx: Trx, channel: string): Promise<number> {
    const { count } = await trx
      .selectFrom('alert_deliveries')
      .select(({ fn }) => fn.countAll<number>().as('count'))
      .where('channel', '=', channel)
      .where('state', 'in', ['pending', 'delivered', 'failed'])
      .where('created_at', '>', new Date(now().getTime() - HOUR_MS))
      .executeTakeFirstOrThrow();
    return count;
  }

  return {
    db,
    send,

    /** Nothing happens where the alert is on record already. One that is held goes to whoever `settle` says. */
    async record(
      trx: Trx,
      alert: Alert,
      {
        holdMs = 0,
        to,
        quietOver,
        attachments = [],
      }: { holdMs?: number; to: readonly Taker[]; quietOver?: boolean; attachments?: readonly Attachment[] },
    ): Promise<void> {
      const { numInsertedOrUpdatedRows: inserted } = await trx
        .insertInto('alerts')
        .values({
          ...rowOf(alert),
          state: holdMs > 0 ? 'held' : 'sent',
          hold_until: holdMs > 0 ? new Date(now().getTime() + holdMs) : null,
        })
        .onConflict((conflict) => conflict.column('id').doNothing())
        .executeTakeFirst();
      if (inserted !== 1n) return;
      if (attachments.length > 0)
        await trx
          .insertInto('alert_attachments')
          .values(
            attachments.map(({ fileName, contentType, content }) => ({
              alert_id: alert.id,
              file_name: fileName,
              content_type: contentType,
              content: storableText(content),
            })),
          )
          .execute();
      if (holdMs === 0) await send(trx, alert, to, { quietOver });
      else await sql`select pg_notify(${ALERTS_CHANNEL}, '')`.execute(trx);
    },

    /** Something that was sent past the line, with what the receiver answered. */
    async recordTaken(alert: Alert, channel: string, receipt: string): Promise<void> {
      await db.transaction().execute(async (trx) => {
        await trx
          .insertInto('alerts')
          .values({ ...rowOf(alert), state: 'sent', hold_until: null })
          .execute();
        await trx
          .insertInto('alert_deliveries')
          .values({
            alert_id: alert.id,
            channel,
            state: 'delivered',
            attempts: 1,
            next_at: alert.at,
            claimed_by: null,
            receipt: receipt.slice(0, 500),
            last_error: null,
            instead_of: null,
            created_at: alert.at,
            finished_at: now(),
          })
          .execute();
      });
    },

    /** Alerts whose hold is over. */
    async due(): Promise<AlertRow[]> {
      return await db
        .selectFrom('alerts')
        .selectAll()
        .where('state', '=', 'held')
        .where('hold_until', '<=', now())
        .orderBy('at')
        .limit(100)
        .execute();
    },

    /** Holds it for longer: whether it is to be told cannot be said yet. */
    async postpone(id: string, waitMs: number): Promise<void> {
      await db
        .updateTable('alerts')
        .set({ hold_until: new Date(now().getTime() + waitMs) })
        .where('id', '=', id)
        .where('state', '=', 'held')
        .execute();
    },

    /** Sends a held alert, or drops it where nobody is named; whoever comes second does nothing. */
    async settle(id: string, to: readonly Taker[] | undefined): Promise<void> {
      await db.transaction().execute(async (trx) => {
        const row = await trx
          .updateTable('alerts')
          .set({ state: to ? 'sent' : 'dropped' })
          .where('id', '=', id)
          .where('state', '=', 'held')
          .returningAll()
          .executeTakeFirst();
        if (row && to) await send(trx, toAlert(row), to);
      });
    },

    /**
     * The next delivery of a channel, claimed and counted: an attempt that ends with the process was one all the same. An end waits for
     * its beginning: where it overtook that, the problem would stay open at the receiver for good. Nothing else waits, because what
     * waits has no attempt that fails, and so nobody who stands in.
     */
    async claim(channel: string, node: string): Promise<Claim | undefined> {
      const since = now();
      const { rows } = await sql<DeliveryRow>`
        update alert_deliveries set attempts = attempts + 1, claimed_by = ${node}, next_at = ${new Date(since.getTime() + CLAIM_MS)}
        where (alert_id, channel) = (
          select d.alert_id, d.channel from alert_deliveries d join alerts a on a.id = d.alert_id
          where d.channel = ${channel} and d.state = 'pending' and d.next_at <= ${since}
            and (a.kind not in ('resolved', 'acknowledged') or not exists (
              select from alert_deliveries e join alerts b on b.id = e.alert_id
              where e.channel = d.channel and e.state = 'pending' and b.incident_id = a.incident_id
                and (b.at, e.created_at) < (a.at, d.created_at)))
          order by d.next_at, d.created_at limit 1 for update of d skip locked)
        returning *`.execute(db);
      const [delivery] = rows;
      if (!delivery) return undefined;
      const row = await db
        .selectFrom('alerts')
        .selectAll()
        .where('id', '=', delivery.alert_id)
        .executeTakeFirstOrThrow();
      return { alert: toAlert(row), delivery, attachments: await attachmentsOf(row), since };
    },

    /** Whether the problem that an alert tells the end of began again, and the channel was told of that. */
    async isOvertaken({ alert, delivery }: Claim): Promise<boolean> {
      if (alert.incidentId === undefined || (alert.kind !== 'resolved' && alert.kind !== 'acknowledged')) return false;
      const row = await db
        .selectFrom('alerts as a')
        .innerJoin('alert_deliveries as d', 'd.alert_id', 'a.id')
        .select('a.id')
        .where('a.incident_id', '=', alert.incidentId)
        .where('a.kind', '=', 'opened')
        .where('a.at', '>', alert.at)
        .where('d.channel', '=', delivery.channel)
        .limit(1)
        .executeTakeFirst();
      return row !== undefined;
    },

    /** Gives back what this node had in hand when it ended. */
    async unclaim(node: string): Promise<void> {
      await db
        .updateTable('alert_deliveries')
        .set({ next_at: now(), claimed_by: null })
        .where('claimed_by', '=', node)
        .where('state', '=', 'pending')
        .execute();
    },

    /** Gives a delivery back; without an error nothing was tried. */
    async later(claim: Claim, error: StewardError | undefined, waitMs: number): Promise<void> {
      await db.transaction().execute(async (trx) => {
        const { numUpdatedRows } = await trx
          .updateTable('alert_deliveries')
          .set({
            next_at: new Date(now().getTime() + waitMs),
            claimed_by: null,
            ...(error ? { last_error: reason(error) } : { attempts: claim.delivery.attempts - 1 }),
          })
          .where(mine(claim.delivery))
          .executeTakeFirst();
        if (error && numUpdatedRows > 0n)
          await recordAttempt(trx, claim, { outcome: 'later', said: reason(error), at: now() });
      });
    },

    /** Ends a delivery together with its event; `also` runs in the same transaction. */
    async finish(
      claim: Claim,
      outcome: { receipt: string } | { error: StewardError },
      also?: (trx: Trx) => Promise<void>,
    ): Promise<void> {
      await db.transaction().execute(async (trx) => {
        const { alert, delivery } = claim;
        const failed = 'error' in outcome;
        const said = failed ? reason(outcome.error) : outcome.receipt.slice(0, 500);
        const { numUpdatedRows } = await trx
          .updateTable('alert_deliveries')
          .set({
            state: failed ? 'failed' : 'delivered',
            finished_at: now(),
            claimed_by: null,
            ...(failed ? { last_error: said } : { receipt: said }),
          })
          .where(mine(delivery))
          .executeTakeFirst();
        if (numUpdatedRows === 0n) return;
        await recordAttempt(trx, claim, { outcome: failed ? 'failed' : 'delivered', said, at: now() });
        await also?.(trx);
        await store.events.append(trx, {
          type: failed ? 'alert.failed' : 'alert.delivered',
          subject: { kind: 'alert', id: alert.id },
          data: {
            alertId: alert.id,
            channel: delivery.channel,
            kind: alert.kind,
            severity: alert.severity,
            title: alert.title,
            attempts: delivery.attempts,
            ...(failed ? { reason: said } : { receipt: said }),
          },
          ...(alert.incidentId === undefined ? {} : { causation: { incidentId: alert.incidentId } }),
        });
      });
    },

    /** When something is next due; `undefined` where nothing is. */
    async nextDue(channels: readonly string[]): Promise<Date | undefined> {
      const { rows } = await sql<{ at: Date | null }>`select least(
        (select min(hold_until) from alerts where state = 'held'),
        (select min(next_at) from alert_deliveries where state = 'quiet'),
        (select min(next_at) from alert_deliveries where state = 'pending' and channel = any(${[...channels]}::text[]))) as at`.execute(
        db,
      );
      return rows[0]?.at ?? undefined;
    },
  };
}

function rowOf(alert: Alert): Omit<AlertRow, 'state' | 'hold_until'> {
  return {
    id: alert.id,
    kind: alert.kind,
    severity: alert.severity,
    title: alert.title,
    text: alert.text,
    incident_id: alert.incidentId ?? null,
    service: alert.service ?? null,
    node: alert.node,
    at: alert.at,
    url: alert.url ?? null,
  };
}

function mine({ alert_id, channel, attempts }: DeliveryRow) {
  // The attempt number tells a claim from the one of whoever took over after it.
  return sql<boolean>`alert_id = ${alert_id} and channel = ${channel} and state = 'pending' and attempts = ${attempts}`;
}

function reason({ code, message }: StewardError): string {
  return `${code}: ${message}`.slice(0, 500);
}

/** What is about no incident and no success, and what a receiver keeps one thing for, waits as it is. */
function isToldInDigest({ incidentId, kind: of }: Alert, kind: string): boolean {
  return (incidentId !== undefined || of === 'success') && !hearsOfAcknowledgement({ kind });
}

/** The brake is against floods, not against what a person must hear. */
function alwaysPasses({ kind, severity }: Alert): boolean {
  return severity === 'critical' || kind === 'escalated' || kind === 'test' || kind === 'notice' || kind === 'digest';
}
