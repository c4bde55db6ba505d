import { z } from 'zod';

/** One thing that keeps a database fit. Each is harmless twice, loses no row, and ends where its lock does not come soon. */
export const FitnessTask = z.object({
  kind: z.enum([
    /** Gives the room of dead rows back to the table (PostgreSQL VACUUM, never FULL). */
    'vacuum',
    /** Takes the statistics again that plans are made from (ANALYZE, PRAGMA optimize). */
    'analyze',
    /** Builds an index anew beside the old one (REINDEX CONCURRENTLY). */
    'reindex',
    /** Removes an index that a failed build left behind invalid. */
    'drop-invalid-index',
    /** Rebuilds a table or a file so that the disk gets its room back; it locks, so only in a window. */
    'rebuild',
    /** Gives memory back that is held and not used (Redis active defragmentation, MEMORY PURGE). */
    'defragment',
    /** Takes the log beside a database into it and cuts it (SQLite's write-ahead log). */
    'checkpoint',
  ]),
  database: z.string(),
  /** Table or index, not quoted; left out where it is the whole database. */
  object: z.string().optional(),
  /** Why it is due, with its figures. */
  reason: z.string(),
  /** How many bytes are expected back. */
  expectedBytes: z.number().int().min(0).optional(),
});
export type FitnessTask = z.output<typeof FitnessTask>;

/** What is not done, and why: shown beside the plan. */
export const SkippedTask = FitnessTask.pick({ kind: true, database: true, object: true }).extend({ why: z.string() });
export type SkippedTask = z.output<typeof SkippedTask>;

type TaskName = Pick<FitnessTask, 'kind' | 'database' | 'object'>;

/** Whether both are the same thing done to the same object. */
export const isSameTask = (one: TaskName, other: TaskName): boolean =>
  one.kind === other.kind && one.database === other.database && one.object === other.object;

export const asSkipped = ({ kind, database, object }: TaskName, why: string): SkippedTask => ({
  kind,
  database,
  object,
  why,
});

/** A task that was done, with what it changed. */
export const TaskDone = z.object({
  durationMs: z.number().min(0),
  beforeBytes: z.number().int().optional(),
  afterBytes: z.number().int().optional(),
  /** In the engine's words: which of its ways it took, or why there was nothing to do. */
  how: z.string().optional(),
  /** Strongest lock that it held, in the engine's word, and for how long, where the engine tells. */
  locks: z.array(z.object({ table: z.string(), mode: z.string(), heldMs: z.number().min(0) })).default([]),
  /** What it was done to, in the engine's own words: on another of that name it is another task. */
  definition: z.string().optional(),
});
export type TaskDone = z.output<typeof TaskDone>;

/** An index that would have helped, tried before it is said. */
export const IndexAdvice = z.object({
  database: z.string(),
  table: z.string(),
  columns: z.array(z.string()).min(1),
  /** The statement a person would run. */
  sql: z.string(),
  statement: z.string().describe('The slow query it is for, without its values.'),
  tested: z.enum(['hypothetical', 'sandbox']),
  costBefore: z.number().min(0),
  costAfter: z.number().min(0),
  bytes: z.number().int().min(0).optional(),
});
export type IndexAdvice = z.output<typeof IndexAdvice>;
