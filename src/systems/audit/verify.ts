import { sql, type Kysely } from 'kysely';
import { z } from 'zod';
import { chainOf, GENESIS, headMac, recordHash, sameHash, type ChainedRecord } from './chain.ts';
import { type ReadCheckpoint, readCheckpoints } from './checkpoints.ts';
import type { ReadPlace } from './places.ts';
import type { AuditTables } from './tables.ts';

export const AuditProblem = z.object({
  kind: z.enum(['edited', 'removed', 'reordered', 'truncated']),
  seq: z.number().int().describe('The first record that is wrong or missing.'),
  message: z.string(),
});
type AuditProblem = z.output<typeof AuditProblem>;

export const AuditReport = z.object({
  ok: z.boolean(),
  chain: z.string().describe('The chain of this node, named after its key.'),
  records: z.number().int().describe('Records of this chain that were read.'),
  checkpoints: z
    .number()
    .int()
    .describe('Positions written on this machine, outside the database, that were compared.'),
  places: z
    .array(z.object({ place: z.string(), checkpoints: z.number().int(), error: z.string().optional() }))
    .describe('Other places with such positions: how many were compared, or why none could be.'),
  problem: AuditProblem.optional(),
  others: z
    .array(z.object({ chain: z.string(), node: z.string(), records: z.number().int() }))
    .describe('Chains of other keys. Only the node that has the key can verify them.'),
});
export type AuditReport = z.output<typeof AuditReport>;

export interface VerifyDeps {
  readonly db: Kysely<AuditTables>;
  readonly key: Buffer;
  readonly checkpointFile: string;
  readonly places: { read(): Promise<ReadPlace[]> };
}

/** What a checkpoint promises, and where it stands. */
interface Promised {
  readonly hash: string;
  readonly where: string;
}

const BATCH = 2_000;

/** Reads every record of this key's chain from its beginning and says where it stops to be what was written. */
export async function verifyAudit({ db, key, checkpointFile, places }: VerifyDeps): Promise<AuditReport> {
  const chain = chainOf(key);
  // Head and checkpoints first: records that arrive meanwhile are then more than they promise, never fewer.
  const head = await db
    .selectFrom('audit_heads')
    .select(['seq', 'hash', 'mac'])
    .where('chain', '=', chain)
    .executeTakeFirst();
  const here = await readCheckpoints(checkpointFile, key, chain);
  const elsewhere = await places.read();
  const promised = new Map<number, Promised[]>();
  let problem: AuditProblem | undefined;
  const compare = (found: readonly ReadCheckpoint[], where: string): void => {
    for (const { line, ...read } of found) {
      if (read.checkpoint && read.genuine) {
        const { seq, hash } = read.checkpoint;
        promised.set(seq, [...(promised.get(seq) ?? []), { hash, where }]);
      } else {
        problem ??= {
          kind: 'edited',
          seq: read.checkpoint?.seq ?? 0,
          message: `Line ${line} of ${where} was not written with this key.`,
        };
      }
    }
  };
  compare(here, checkpointFile);
  for (const { place, found } of elsewhere) compare(found, place);

  let last = { seq: 0, hash: GENESIS };
  let records = 0;
  let broken: AuditProblem | undefined;
  for await (const record of recordsOf(db, chain)) {
    records += 1;
    broken ??= await wrongWith(db, key, chain, record, last);
    const other = promised.get(record.seq)?.find(({ hash }) => !sameHash(hash, record.hash));
    if (!broken && other !== undefined) {
      broken = {
        kind: 'edited',
        seq: record.seq,
        message: `Record ${record.seq} is not the one its checkpoint in ${other.where} was made of.`,
      };
    }
    if (!broken) last = record;
  }
  broken ??= wrongWithEnd(key, last, head, promised);
  problem = broken ?? problem;

  const others = await db
    .selectFrom('audit_heads')
    .select(['chain', 'node', 'seq as records'])
    .where('chain', '<>', chain)
    .orderBy('chain')
    .execute();
  return {
    ok: problem === undefined,
    chain,
    records,
    checkpoints: here.length,
    places: elsewhere.map(({ place, found, error }) => ({
      place,
      checkpoints: found.length,
      ...(error !== undefined && { error }),
    })),
    ...(problem ? { problem } : {}),
    others,
  };
}

function wrongWithEnd(
  key: Buffer,
  last: { seq: number; hash: string },
  head: { seq: number; hash: string; mac: string } | undefined,
  promised: ReadonlyMap<number, readonly Promised[]>,
): AuditProblem | undefined {
  const latest = Math.max(0, ...promised.keys());
  if (latest > last.seq) {
    return {
      kind: 'truncated',
      seq: last.seq + 1,
      message: `A checkpoint outside the database knows record ${latest}, and the log ends at ${last.seq}. It stands in ${promised.get(latest)?.[0]?.where}.`,
    };
  }
  if (!head) {
    return last.seq === 0
      ? undefined
      : {
          kind: 'truncated',
          seq: last.seq + 1,
          message: `The head of the chain is gone; records after ${last.seq} may be, too.`,
        };
  }
  if (head.seq > last.seq) {
    return {
      kind: 'truncated',
      seq: last.seq + 1,
      message: `The head of the chain is record ${head.seq}, and the log ends at ${last.seq}.`,
    };
  }
  if (!sameHash(head.mac, headMac(key, head)))
    return { kind: 'edited', seq: head.seq, message: 'The head of the chain was not written with this key.' };
  return undefined;
}

async function wrongWith(
  db: Kysely<AuditTables>,
  key: Buffer,
  chain: string,
  record: StoredRecord,
  last: { seq: number; hash: string },
): Promise<AuditProblem | undefined> {
  const expected = last.seq + 1;
  const linked = sameHash(record.prevHash, last.hash);
  if (record.seq === expected && linked && record.wholeMillisecond && sameHash(record.hash, recordHash(key, record)))
    return undefined;

  const genuineAs = await originalSeq(db, key, chain, record);
  if (genuineAs !== undefined && genuineAs !== record.seq) {
    const predecessor = await db
      .selectFrom('audit_log')
      .select('seq')
      .where('chain', '=', chain)
      .where('hash', '=', record.prevHash)
      .executeTakeFirst();
    if (predecessor)
      return {
        kind: 'reordered',
        seq: record.seq,
        message: `Record ${genuineAs} stands in the place of record ${record.seq}.`,
      };
    return {
      kind: 'removed',
      seq: expected,
      message: `Record ${expected} is missing, and the ones behind it were given new numbers.`,
    };
  }
  if (record.seq > expected)
    return {
      kind: 'removed',
      seq: expected,
      message: `Record ${expected} is missing: after ${last.seq} comes ${record.seq}.`,
    };
  if (genuineAs === record.seq && !linked)
    return {
      kind: 'edited',
      seq: last.seq,
      message: `Record ${last.seq} is not the one that record ${record.seq} was written after.`,
    };
  return { kind: 'edited', seq: record.seq, message: `Record ${record.seq} is not what was written.` };
}

/** The place for which this record was written, where its content is genuine. Tried for every place there is; done once, for the first bad record. */
async function originalSeq(
  db: Kysely<AuditTables>,
  key: Buffer,
  chain: string,
  record: StoredRecord,
): Promise<number | undefined> {
  if (!record.wholeMillisecond) return undefined;
  const { longest } = await db
    .selectFrom('audit_log')
    .select(({ fn }) => fn.max('seq').as('longest'))
    .where('chain', '=', chain)
    .executeTakeFirstOrThrow();
  // Renumbered records had higher numbers than any that are left.
  const limit = longest + 10_000;
  for (let seq = 1; seq <= limit; seq++) {
    if (sameHash(record.hash, recordHash(key, { ...record, seq }))) return seq;
  }
  return undefined;
}

interface StoredRecord extends ChainedRecord {
  /** What Steward writes has no microseconds; anything else was put there by somebody. */
  readonly wholeMillisecond: boolean;
}

async function* recordsOf(db: Kysely<AuditTables>, chain: string): AsyncGenerator<StoredRecord> {
  for (let after = Number.MIN_SAFE_INTEGER; ;) {
    const rows = await db
      .selectFrom('audit_log')
      .select([
        'seq',
        'at',
        'prev_hash',
        'hash',
        sql<string>`entry::text`.as('text'),
        sql<boolean>`date_trunc('milliseconds', at) = at`.as('whole'),
      ])
      .where('chain', '=', chain)
      .where('seq', '>', after)
      .orderBy('seq')
      .limit(BATCH)
      .execute();
    for (const row of rows)
      yield {
        seq: row.seq,
        at: row.at,
        entry: row.text,
        prevHash: row.prev_hash,
        hash: row.hash,
        wholeMillisecond: row.whole,
      };
    const end = rows.at(-1);
    if (!end || rows.length < BATCH) return;
    after = end.seq;
  }
}
