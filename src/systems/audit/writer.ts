import { sql, type Kysely } from 'kysely';
import { StewardError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import { chainOf, GENESIS, headMac, nextRecord, sameHash, type Head } from './chain.ts';
import type { AuditTables } from './tables.ts';

/** One transaction carries at most this many records; 500 keep it under 20 ms. */
const GROUP = 500;
const WAITING_LIMIT = 20_000;

interface Waiting {
  readonly entry: string;
  readonly at: Date;
  resolve(): void;
  reject(reason: unknown): void;
}

export interface ChainWriter {
  readonly chain: string;
  /** Resolves when the record is committed. What waits at the same time shares a transaction. */
  append(entry: string): Promise<void>;
  /** Where this process left the chain. */
  head(): Head | undefined;
  /** Resolves when nothing waits any more. */
  drained(): Promise<void>;
}

export function createChainWriter(deps: {
  db: Kysely<AuditTables>;
  key: Buffer;
  node: string;
  now: () => Date;
  log: Log;
  onWritten?: () => void;
}): ChainWriter {
  const { db, key, node, now, log, onWritten } = deps;
  const chain = chainOf(key);
  const waiting: Waiting[] = [];
  let working: Promise<void> | undefined;
  let last: Head | undefined;
  // A commit whose answer was lost leaves two heads possible.
  let unsure: Head | undefined;

  async function work(): Promise<void> {
    while (waiting.length > 0) {
      const group = waiting.splice(0, GROUP);
      try {
        await commit(group);
        for (const each of group) each.resolve();
      } catch (thrown) {
        for (const each of group) each.reject(thrown);
      }
    }
    // In the same turn as the last look: whoever appends next must start the work anew.
    working = undefined;
  }

  async function commit(group: readonly Waiting[]): Promise<void> {
    if (last && !unsure && (await goOn(group, last))) return;
    const written = await db.transaction().execute(async (trx) => {
      const { records, end } = recordsAfter(await takeHead(trx), group);
      await trx.insertInto('audit_log').values(records).execute();
      await trx
        .updateTable('audit_heads')
        .set({ ...end, mac: headMac(key, end), node })
        .where('chain', '=', chain)
        .execute();
      unsure = end;
      return end;
    });
    last = written;
    unsure = undefined;
    onWritten?.();
  }

  function recordsAfter(from: Head, group: readonly Waiting[]) {
    let head = from;
    const records = group.map(({ entry, at }) => {
      const record = nextRecord(key, head, at, entry);
      head = record;
      return { chain, seq: record.seq, at, entry, prev_hash: record.prevHash, hash: record.hash };
    });
    const end: Head = { seq: head.seq, hash: head.hash };
    return { records, end };
  }

  /** In one statement, where the head is still where this process left it; false where it is not, and nothing is written. */
  async function goOn(group: readonly Waiting[], own: Head): Promise<boolean> {
    const { records, end } = recordsAfter(own, group);
    const values = records.map(
      (row) =>
        sql`(${row.seq}::bigint, ${row.at}::timestamptz, ${row.entry}::json, ${row.prev_hash}::text, ${row.hash}::text)`,
    );
    unsure = end;
    const { rows } = await sql<{ written: number }>`
      with head as (update audit_heads set seq = ${end.seq}, hash = ${end.hash}, mac = ${headMac(key, end)}, node = ${node}
          where chain = ${chain} and seq = ${own.seq} and hash = ${own.hash} returning chain),
        log as (insert into audit_log (chain, seq, at, entry, prev_hash, hash)
          select head.chain, r.* from head, (values ${sql.join(values)}) as r returning seq)
      select count(*) as written from log`.execute(db);
    unsure = undefined;
    if (rows[0]?.written !== group.length) return false;
    last = end;
    onWritten?.();
    return true;
  }

  /**
   * Locks the head. Another process with the key, a command beside the server, may have gone on from where this one was.
   * Where somebody else moved it, this process goes on from its own memory, so that the gap stays and is found.
   */
  async function takeHead(trx: Kysely<AuditTables>): Promise<Head> {
    await sql`insert into audit_heads (chain, node, seq, hash, mac, started_at)
      values (${chain}, ${node}, 0, ${GENESIS}, ${headMac(key, { seq: 0, hash: GENESIS })}, ${now()}) on conflict do nothing`.execute(
      trx,
    );
    const stored = await trx
      .selectFrom('audit_heads')
      .select(['seq', 'hash', 'mac'])
      .where('chain', '=', chain)
      .forUpdate()
      .executeTakeFirstOrThrow();
    if (!last) return stored;
    if (stored.hash === last.hash) return last;
    if (unsure && stored.hash === unsure.hash) return unsure;
    if (await continues(trx, last, stored)) return stored;
    log.error('audit head was changed by somebody else', { chain, storedSeq: stored.seq, expectedSeq: last.seq });
    return last;
  }

  /** Whether what is stored was written with this key, behind the record that this process wrote last. */
  async function continues(trx: Kysely<AuditTables>, own: Head, stored: Head & { mac: string }): Promise<boolean> {
    if (stored.seq <= own.seq || !sameHash(stored.mac, headMac(key, stored))) return false;
    const next = await trx
      .selectFrom('audit_log')
      .select('prev_hash')
      .where('chain', '=', chain)
      .where('seq', '=', own.seq + 1)
      .executeTakeFirst();
    return next?.prev_hash === own.hash;
  }

  return {
    chain,
    append(entry) {
      if (waiting.length >= WAITING_LIMIT) {
        return Promise.reject(
          new StewardError('UNAVAILABLE', `${waiting.length} audit records wait to be written.`, {
            hint: 'The database is slower than the load: try again later.',
          }),
        );
      }
      return new Promise<void>((resolve, reject) => {
        waiting.push({ entry, at: now(), resolve, reject });
        working ??= work();
      });
    },
    head: () => last,
    async drained() {
      await working;
    },
  };
}
