import { createHash, randomBytes } from 'node:crypto';
import { type Kysely, sql, type Transaction } from 'kysely';
import type { EventType } from '../../core/event.ts';
import type { Ping } from '../../core/heartbeat.ts';
import { redactText } from '../../core/redact.ts';
import type { Store } from '../../store/store.ts';
import type { HeartbeatRow, HeartbeatTables } from './tables.ts';

type Trx = Transaction<HeartbeatTables>;
const BODY_LENGTH = 10_000;
const PINGS_KEPT = 200;

export interface NewHeartbeat extends Pick<
  HeartbeatRow,
  'name' | 'schedule' | 'grace_ms' | 'max_run_ms' | 'min_gap_ms' | 'critical' | 'origin' | 'adoption' | 'created_by'
> {
  readonly token?: string | undefined;
}

/** What jobs said, as rows: every ping and what follows of it are one transaction with its event. */
export interface Book {
  readonly db: Kysely<HeartbeatTables>;
  all(): Promise<HeartbeatRow[]>;
  byName(name: string): Promise<HeartbeatRow | undefined>;
  /** Undefined where another has the name already. */
  add(heartbeat: NewHeartbeat): Promise<HeartbeatRow | undefined>;
  change(id: string, values: Partial<Omit<HeartbeatRow, 'id' | 'schedule'>> & { schedule?: string }): Promise<void>;
  /** Undefined where nothing of that kind is there. */
  ping(
    which: { readonly tokenHash: string } | { readonly name: string },
    ping: Ping,
  ): Promise<HeartbeatRow | undefined>;
  tellLate(row: HeartbeatRow, dueAt: Date): Promise<void>;
}

export const hashOf = (token: string): string => createHash('sha256').update(token).digest('hex');
export const newToken = (): string => `hb${randomBytes(18).toString('base64url')}`;

export function createBook({
  store,
  node,
  now,
}: {
  store: Pick<Store, 'db' | 'events'>;
  node: string;
  now: () => Date;
}): Book {
  const db = store.db.withTables<HeartbeatTables>();

  async function tell(
    trx: Trx,
    type: EventType,
    row: HeartbeatRow,
    data: Record<string, string | number>,
  ): Promise<void> {
    await store.events.append(trx, {
      type,
      subject: { kind: 'heartbeat', id: row.id },
      node,
      data: { name: row.name, ...data },
    });
  }

  /** What a signal makes of the row. */
  function after(
    row: HeartbeatRow,
    { signal, exitCode }: Ping,
    at: Date,
  ): Partial<Omit<HeartbeatRow, 'id' | 'schedule'>> {
    if (signal === 'log') return { last_ping_at: at };
    if (signal === 'start') return { last_ping_at: at, started_at: at };
    const sooner =
      row.min_gap_ms !== null &&
      row.last_success_at !== null &&
      at.getTime() - row.last_success_at.getTime() < row.min_gap_ms;
    return {
      last_ping_at: at,
      anchor_at: at,
      excused: false,
      last_signal: signal,
      last_exit_code: exitCode ?? null,
      last_duration_ms: row.started_at ? Math.max(0, at.getTime() - row.started_at.getTime()) : null,
      started_at: null,
      too_soon: signal === 'success' && sooner,
      ...(signal === 'success' && { last_success_at: at }),
    };
  }

  return {
    db,
    all: () => db.selectFrom('heartbeats').selectAll().where('removed_at', 'is', null).orderBy('name').execute(),
    byName: (name) =>
      db
        .selectFrom('heartbeats')
        .selectAll()
        .where('name', '=', name)
        .where('removed_at', 'is', null)
        .executeTakeFirst(),

    async add({ token, schedule, ...heartbeat }) {
      return await db
        .insertInto('heartbeats')
        .values({
          ...heartbeat,
          id: `hbt_${now().getTime().toString(16).padStart(12, '0')}${randomBytes(3).toString('hex')}`,
          schedule: JSON.stringify(schedule),
          token_hash: token === undefined ? null : hashOf(token),
          node,
          created_at: now(),
          excused: false,
          too_soon: false,
        })
        .onConflict((conflict) => conflict.doNothing())
        .returningAll()
        .executeTakeFirst();
    },

    async change(id, { schedule, ...values }) {
      await db
        .updateTable('heartbeats')
        .set({ ...values, ...(schedule !== undefined && { schedule }) })
        .where('id', '=', id)
        .execute();
    },

    async ping(which, ping) {
      return await db.transaction().execute(async (trx) => {
        const row = await trx
          .selectFrom('heartbeats')
          .selectAll()
          .where('removed_at', 'is', null)
          .$if('tokenHash' in which, (query) =>
            query.where('token_hash', '=', 'tokenHash' in which ? which.tokenHash : ''),
          )
          .$if('name' in which, (query) => query.where('name', '=', 'name' in which ? which.name : ''))
          .forUpdate()
          .executeTakeFirst();
        if (!row) return undefined;
        const at = now();
        const changed = await trx
          .updateTable('heartbeats')
          .set(after(row, ping, at))
          .where('id', '=', row.id)
          .returningAll()
          .executeTakeFirstOrThrow();
        const duration = ping.signal === 'success' || ping.signal === 'fail' ? changed.last_duration_ms : null;
        await trx
          .insertInto('heartbeat_pings')
          .values({
            heartbeat_id: row.id,
            at,
            signal: ping.signal,
            exit_code: ping.exitCode ?? null,
            duration_ms: duration,
            body: ping.body === undefined || ping.body === '' ? null : cleaned(ping.body),
            from_address: ping.from,
          })
          .execute();
        await sql`delete from heartbeat_pings where heartbeat_id = ${row.id} and id <= (
          select id from heartbeat_pings where heartbeat_id = ${row.id} order by id desc offset ${PINGS_KEPT} limit 1)`.execute(
          trx,
        );
        const type = TOLD[ping.signal];
        if (type)
          await tell(trx, type, changed, {
            ...(ping.exitCode !== undefined && { exitCode: ping.exitCode }),
            ...(duration !== null && { durationMs: duration }),
          });
        return changed;
      });
    },

    async tellLate(row, dueAt) {
      await db.transaction().execute(async (trx) => {
        const { numUpdatedRows } = await trx
          .updateTable('heartbeats')
          .set({ late_told_at: dueAt })
          .where('id', '=', row.id)
          .where((where) => where.or([where('late_told_at', 'is', null), where('late_told_at', '<', dueAt)]))
          .executeTakeFirst();
        if (numUpdatedRows > 0n) await tell(trx, 'heartbeat.late', row, { expectedAt: dueAt.toISOString() });
      });
    },
  };
}

const TOLD: Readonly<Record<Ping['signal'], EventType | undefined>> = {
  start: 'heartbeat.started',
  success: 'heartbeat.succeeded',
  fail: 'heartbeat.failed',
  log: undefined,
};

/** Text of a stranger: what PostgreSQL refuses is taken out, and what looks like a secret; the end says most. */
function cleaned(text: string): string {
  return redactText(text.replaceAll('\0', '').toWellFormed().slice(-BODY_LENGTH));
}
