import { setTimeout as sleep } from 'node:timers/promises';
import { sql, type Kysely } from 'kysely';
import type { AuditEntry, AuditFeed, AuditFollower, AuditRecord } from '../../core/audit.ts';
import { StewardError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import { redactText } from '../../core/redact.ts';
import type { AuditTables } from './tables.ts';

const BATCH = 200;
const POLL_MS = 5_000;
const BACKOFF_MS = 1_000;
const LONGEST_BACKOFF_MS = 300_000;

export interface FollowerState {
  readonly follower: string;
  readonly seq: number;
  readonly failingSince?: Date | undefined;
  readonly error?: string | undefined;
}

export interface Feed extends AuditFeed {
  /** Something was written. */
  wake(): void;
  /** How far the chain reaches, and how far each follower has come. */
  states(): Promise<{ readonly head: number; readonly followers: readonly FollowerState[] }>;
  stop(): Promise<void>;
}

export interface FeedDeps {
  readonly db: Kysely<AuditTables>;
  readonly chain: string;
  readonly now: () => Date;
  readonly log: Log;
  readonly backoffMs?: number | undefined;
}

/** The records of one chain for everybody who works on them, each at their own pace; where each is, is in the store. */
export function createFeed({ db, chain, now, log, backoffMs = BACKOFF_MS }: FeedDeps): Feed {
  const stopping = new AbortController();
  const following = new Set<Promise<void>>();
  let news = Promise.withResolvers<void>();

  async function cursorOf(follower: string): Promise<number> {
    const row = await db
      .selectFrom('audit_followers')
      .select('seq')
      .where('follower', '=', follower)
      .where('chain', '=', chain)
      .executeTakeFirst();
    return row?.seq ?? 0;
  }

  async function move(follower: string, seq: number): Promise<void> {
    const row = { seq, at: now(), failing_since: null, error: null };
    await db
      .insertInto('audit_followers')
      .values({ follower, chain, ...row })
      .onConflict((conflict) => conflict.columns(['follower', 'chain']).doUpdateSet(row))
      .execute();
  }

  async function failed(follower: string, seq: number, error: string): Promise<void> {
    await db
      .insertInto('audit_followers')
      .values({ follower, chain, seq, at: now(), failing_since: now(), error })
      .onConflict((conflict) =>
        conflict.columns(['follower', 'chain']).doUpdateSet({
          failing_since: sql`coalesce(audit_followers.failing_since, ${now()})`,
          error,
        }),
      )
      .execute();
  }

  /** What comes next; true where there was something. */
  async function next({ name, handle }: AuditFollower, signal: AbortSignal): Promise<boolean> {
    const seq = await cursorOf(name);
    const records = await recordsAfter(db, chain, seq);
    const last = records.at(-1);
    if (!last) return false;
    try {
      await handle(records, signal);
    } catch (thrown) {
      if (!signal.aborted) await failed(name, seq, redactText(StewardError.from(thrown).message));
      throw thrown;
    }
    await move(name, last.seq);
    return true;
  }

  async function follow(follower: AuditFollower, signal: AbortSignal): Promise<void> {
    for (let failures = 0; !signal.aborted;) {
      // Before the look, so that what is written while looking is looked for again.
      const told = news.promise;
      try {
        const found = await next(follower, signal);
        failures = 0;
        if (!found) await Promise.race([told, pause(POLL_MS, signal)]);
      } catch (thrown) {
        if (signal.aborted) return;
        const { code, message } = StewardError.from(thrown);
        if (failures === 0)
          log.warn('a follower of the audit log fails', { follower: follower.name, code, reason: message });
        await pause(Math.min(backoffMs * 2 ** failures, LONGEST_BACKOFF_MS), signal);
        failures += 1;
      }
    }
  }

  return {
    wake() {
      news.resolve();
      news = Promise.withResolvers();
    },
    follow(follower) {
      const ended = new AbortController();
      const done = follow(follower, AbortSignal.any([ended.signal, stopping.signal])).finally(() =>
        following.delete(done),
      );
      following.add(done);
      return {
        async stop() {
          ended.abort();
          await done;
        },
      };
    },
    async states() {
      const head = await db.selectFrom('audit_heads').select('seq').where('chain', '=', chain).executeTakeFirst();
      const rows = await db.selectFrom('audit_followers').selectAll().where('chain', '=', chain).execute();
      return {
        head: head?.seq ?? 0,
        followers: rows.map(({ follower, seq, failing_since, error }) => ({
          follower,
          seq,
          ...(failing_since && { failingSince: failing_since }),
          ...(error !== null && { error }),
        })),
      };
    },
    async stop() {
      stopping.abort();
      await Promise.all(following);
    },
  };
}

async function recordsAfter(db: Kysely<AuditTables>, chain: string, seq: number): Promise<AuditRecord[]> {
  const rows = await db
    .selectFrom('audit_log')
    .select(['seq', 'at', 'entry', 'hash'])
    .where('chain', '=', chain)
    .where('seq', '>', seq)
    .orderBy('seq')
    .limit(BATCH)
    .execute();
  return rows.map(({ entry, ...place }) => ({ ...(entry as unknown as AuditEntry), ...place, chain }));
}

async function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  await sleep(milliseconds, undefined, { signal }).catch(() => undefined);
}
