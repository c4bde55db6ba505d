import { z } from 'zod';
import { SettingAdvice } from './tuning.ts';

/** Sizes are bytes, ages seconds, ratios 0 to 1. A member that an engine does not have is left out, never zero. */
const bytes = z.number().int().min(0);
const seconds = z.number().min(0);

/** A table, as its engine keeps account of it. */
export const TableLook = z.object({
  database: z.string(),
  /** With its schema where the engine has schemas; not quoted. */
  name: z.string(),
  bytes,
  rows: z.number().int().min(0).describe('As the engine estimates.'),
  deadRows: z.number().int().min(0).optional(),
  /** What a rebuild would give back; measured where `measured` says so. */
  reclaimableBytes: bytes.optional(),
  measured: z.boolean().default(false),
  vacuumedAt: z.iso.datetime().nullable().optional(),
  analyzedAt: z.iso.datetime().nullable().optional(),
  /** Rows written since the statistics were taken. */
  changedRows: z.number().int().min(0).optional(),
});
export type TableLook = z.output<typeof TableLook>;

export const IndexLook = z.object({
  database: z.string(),
  table: z.string(),
  name: z.string(),
  bytes,
  /** In their order; a prefix of a column as name(length). Left out where it is made of expressions. */
  columns: z.array(z.string()).optional(),
  /** Different values, as the engine estimates. */
  cardinality: z.number().int().min(0).optional(),
  /** Left behind by a build that failed: it costs every write and serves no read. */
  valid: z.boolean(),
  unique: z.boolean(),
  scans: z.number().int().min(0).optional(),
  /** Another index that serves all that this one serves. */
  duplicateOf: z.string().optional(),
  /** It stands for a primary key, a unique or an exclusion constraint: never advised away. */
  constraint: z.boolean().default(false),
  reclaimableBytes: bytes.optional(),
  measured: z.boolean().default(false),
});
export type IndexLook = z.output<typeof IndexLook>;

export const SlowQuery = z.object({
  database: z.string(),
  /** Without its values: those may be secrets. */
  statement: z.string(),
  calls: z.number().int().min(1),
  meanMs: z.number().min(0),
  totalMs: z.number().min(0),
});
export type SlowQuery = z.output<typeof SlowQuery>;

/** What a look at a database server says of its fitness. */
export const DatabaseLook = z.object({
  source: z.string(),
  kind: z.enum(['postgres', 'mysql', 'sqlite', 'redis']),
  version: z.string(),
  at: z.iso.datetime(),
  databases: z.array(
    z.object({
      name: z.string(),
      bytes,
      /** What a rebuild of the whole would give back, where an engine rebuilds the whole and no table of it (SQLite). */
      reclaimableBytes: bytes.optional(),
      measured: z.boolean().default(false),
    }),
  ),
  connections: z
    .object({
      used: z.number().int(),
      limit: z.number().int().min(1),
      most: z.number().int().optional().describe('At once, since the server started.'),
      refused: z.number().int().min(0).optional().describe('Since the server started.'),
    })
    .optional(),
  /** The longest open transaction, and the oldest that only waits for its client. */
  longestTransactionSeconds: seconds.optional(),
  /** Of the transaction ids that an engine has, how many are used up before it stops taking writes. */
  wraparound: z.number().min(0).max(1).optional(),
  replicas: z
    .array(z.object({ name: z.string(), lagSeconds: seconds.nullable(), lagBytes: bytes.nullable() }))
    .optional(),
  cacheHitRatio: z.number().min(0).max(1).optional(),
  operations: z
    .number()
    .min(0)
    .optional()
    .describe('Since the server counts: transactions of PostgreSQL, statements of MySQL, commands of Redis.'),
  /** Memory that is held and not used: resident over used. Left out where there is so little data that it says nothing. */
  fragmentation: z.number().min(0).optional(),
  /** Of an engine that holds its data in memory: what it uses, what the system gives it, and what it may use. */
  memory: z
    .object({
      usedBytes: bytes,
      residentBytes: bytes,
      limitBytes: bytes.optional(),
      keys: z.number().int().min(0),
      evictedKeys: z.number().int().min(0).describe('Since the server started.'),
    })
    .optional(),
  /** What has to be taken into the database file yet, beside it (SQLite's write-ahead log). */
  logBytes: bytes.optional(),
  /** Since when scans of indexes are counted: before a full cycle of business nothing is surely unused. */
  scansSince: z.iso.datetime().optional(),
  /** A standby: what changes it is done on its primary. */
  readOnly: z.boolean().optional(),
  /** A database that could not be looked into is among what is blind: what is missing here may be there. */
  partial: z.boolean().optional(),
  tables: z.array(TableLook),
  indexes: z.array(IndexLook),
  slow: z.array(SlowQuery),
  /** Settings that do not fit; left out where the server runs elsewhere, so that nobody can say. */
  settings: z.array(SettingAdvice).optional(),
  /** What the engine itself says is wrong: a save that fails, keys that are evicted, a replica that stopped. */
  warnings: z.array(z.object({ what: z.string(), hint: z.string() })).optional(),
  /** What could not be looked at, and what to do so that it can. */
  blind: z.array(z.object({ what: z.string(), hint: z.string() })),
});
export type DatabaseLook = z.output<typeof DatabaseLook>;
