import { randomBytes } from 'node:crypto';
import type { Selectable } from 'kysely';
import { AlertMatch, type AlertSubject, mismatch } from '../../core/alert-routing.ts';
import { redactText } from '../../core/redact.ts';
import type { Outbox } from './outbox.ts';
import type { AlertTables } from './tables.ts';

/** Nobody is told of what it matches while it lasts; the incident is opened, shown and healed as ever. */
export interface Silence {
  readonly id: string;
  readonly match: AlertMatch;
  readonly reason: string;
  readonly actor: string;
  readonly startsAt: Date;
  readonly endsAt: Date;
  readonly endedAt?: Date | undefined;
}

export type Silences = ReturnType<typeof createSilences>;

export function createSilences({
  outbox: { db },
  now,
}: {
  readonly outbox: Pick<Outbox, 'db'>;
  readonly now: () => Date;
}) {
  async function all(): Promise<Silence[]> {
    return (await db.selectFrom('alert_silences').selectAll().orderBy('starts_at', 'desc').orderBy('id').execute()).map(
      toSilence,
    );
  }

  return {
    all,

    /** The one that keeps it quiet now, the one that ends last where there are several. */
    async of(subject: AlertSubject): Promise<Silence | undefined> {
      const rows = await db
        .selectFrom('alert_silences')
        .selectAll()
        .where('ended_at', 'is', null)
        .where('starts_at', '<=', now())
        .where('ends_at', '>', now())
        .orderBy('ends_at', 'desc')
        .execute();
      return rows.map(toSilence).find(({ match }) => mismatch(match, subject) === undefined);
    },

    async add(silence: Omit<Silence, 'id' | 'endedAt'>): Promise<Silence> {
      const row = await db
        .insertInto('alert_silences')
        .values({
          id: `sil_${now().getTime().toString(16).padStart(12, '0')}${randomBytes(3).toString('hex')}`,
          match: JSON.stringify(silence.match),
          reason: redactText(silence.reason),
          actor: silence.actor,
          starts_at: silence.startsAt,
          ends_at: silence.endsAt,
          ended_at: null,
        })
        .returningAll()
        .executeTakeFirstOrThrow();
      return toSilence(row);
    },

    async get(id: string): Promise<Silence | undefined> {
      const row = await db.selectFrom('alert_silences').selectAll().where('id', '=', id).executeTakeFirst();
      return row && toSilence(row);
    },

    /** Undefined where it is over already. */
    async end(id: string): Promise<Silence | undefined> {
      const row = await db
        .updateTable('alert_silences')
        .set({ ended_at: now() })
        .where('id', '=', id)
        .where('ended_at', 'is', null)
        .where('ends_at', '>', now())
        .returningAll()
        .executeTakeFirst();
      return row && toSilence(row);
    },

    async forget(before: Date): Promise<void> {
      await db.deleteFrom('alert_silences').where('ends_at', '<', before).execute();
    },
  };
}

export function silenceInWords({ endsAt, actor, reason }: Silence): string {
  return `Silenced until ${endsAt.toISOString().slice(0, 16).replace('T', ' ')} UTC by ${actor}: ${reason}`;
}

function toSilence(row: Selectable<AlertTables['alert_silences']>): Silence {
  return {
    id: row.id,
    match: AlertMatch.parse(row.match),
    reason: row.reason,
    actor: row.actor,
    startsAt: row.starts_at,
    endsAt: row.ends_at,
    ...(row.ended_at !== null && { endedAt: row.ended_at }),
  };
}
