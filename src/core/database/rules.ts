import { formatDuration } from '../duration.ts';
import type { DatabaseLook, IndexLook, TableLook } from './look.ts';
import { asSkipped, type FitnessTask, isSameTask, type SkippedTask } from './task.ts';

/** When something is due. Ages in ms, shares 0 to 1. */
export interface FitnessRules {
  /** A table that was written to is vacuumed, and its statistics taken again, when that was longer ago. */
  readonly vacuumMs: number;
  /** One index is not built anew more often, however bloated it is again. */
  readonly reindexMs: number;
  /** Share of dead rows from which on a table is vacuumed whenever that was last. */
  readonly deadShare: number;
  /** Share of rows written since the statistics were taken from which on they are taken again. */
  readonly changedShare: number;
  /** What has to come back, of what there is, before something is built anew. */
  readonly reclaimableShare: number;
  /** Resident over used memory from which on memory is given back. */
  readonly fragmentation: number;
}

/** A task that was done, as it is remembered. */
export interface DoneBefore extends Pick<FitnessTask, 'kind' | 'database' | 'object'> {
  readonly at: Date;
}

export interface Asked {
  readonly now: Date;
  /** Vacuum and statistics; false where nobody wants them. */
  readonly light: boolean;
  /** What is built anew: `now` beside its users at any time, `window` only in one, `never`. */
  readonly heavy: 'now' | 'window' | 'never';
  /** Whether this instant is in a window: what locks is done in none other. */
  readonly inWindow: boolean;
  /** When the next one begins; undefined where the configuration has none. */
  readonly nextWindow?: Date | undefined;
  /** Whether a copy was proven by restoring it: what rewrites a table or a file rests on one. */
  readonly proven: boolean;
  readonly done: readonly DoneBefore[];
  /** What was done less long ago is not done again. */
  readonly restMs: number;
  /** Only these databases of the server. */
  readonly databases?: readonly string[] | undefined;
}

export interface Tasks {
  readonly due: readonly FitnessTask[];
  readonly skipped: readonly SkippedTask[];
}

/** Fewer dead rows cost nothing, whatever their share is. */
const DEAD_ROWS = 1_000;
const CHANGED_ROWS = 500;
/** Less than this is not worth building anything anew. */
const WORTH_BYTES = 1024 ** 2;
/** Of memory, and of a log beside a database. */
const WORTH_MEMORY = 64 * 1024 ** 2;

const ORDER: readonly FitnessTask['kind'][] = [
  'drop-invalid-index',
  'vacuum',
  'analyze',
  'reindex',
  'rebuild',
  'checkpoint',
  'defragment',
];

/** What to do so that the databases are fit, and what not, each with its reason. The same look gives the same answer. */
export function tasksFor(look: DatabaseLook, rules: FitnessRules, asked: Asked): Tasks {
  const wanted = ({ database }: { readonly database: string }): boolean =>
    asked.databases === undefined || asked.databases.includes(database);
  const tables = look.tables.filter(wanted);
  const verdicts = [
    ...look.indexes.filter(wanted).flatMap((index) => ofIndex(look, index, rules, asked)),
    ...tables.flatMap((table) => ofTable(look, table, rules, asked)),
    ...look.databases
      .filter(({ name }) => wanted({ database: name }))
      .flatMap(({ name, ...whole }) => ofWhole(look, { database: name, ...whole }, rules, asked)),
    ...ofMemory(look, rules, asked),
  ]
    .map((verdict) => rested(verdict, asked))
    .map((verdict) => (look.readOnly ? elsewhere(verdict) : verdict));
  return {
    due: verdicts
      .filter((verdict): verdict is FitnessTask => !('why' in verdict))
      .toSorted(
        (a, b) => ORDER.indexOf(a.kind) - ORDER.indexOf(b.kind) || (b.expectedBytes ?? 0) - (a.expectedBytes ?? 0),
      ),
    skipped: verdicts.filter((verdict): verdict is SkippedTask => 'why' in verdict),
  };
}

type Verdict = FitnessTask | SkippedTask;
type Object = Pick<FitnessTask, 'database' | 'object'>;

/** What was done a moment ago by one schedule is not done again by the next. */
function rested(verdict: Verdict, { done, restMs, now }: Asked): Verdict {
  if ('why' in verdict || verdict.kind === 'drop-invalid-index') return verdict;
  const last = lastOf(done, verdict);
  const ago = last && now.getTime() - last.getTime();
  if (ago === undefined || ago < 0 || ago >= restMs) return verdict;
  const { kind, database, object } = verdict;
  return { kind, database, object, why: `it was done ${formatDuration(ago)} ago` };
}

function elsewhere(verdict: Verdict): Verdict {
  if ('why' in verdict) return verdict;
  return asSkipped(verdict, 'a standby takes no writes: its primary is looked after instead');
}

function lastOf(done: readonly DoneBefore[], verdict: Verdict): Date | undefined {
  const times = done.filter((one) => isSameTask(one, verdict)).map(({ at }) => at.getTime());
  return times.length > 0 ? new Date(Math.max(...times)) : undefined;
}

function ofTable({ kind }: DatabaseLook, table: TableLook, rules: FitnessRules, asked: Asked): Verdict[] {
  const object: Object = { database: table.database, object: table.name };
  const verdicts: Verdict[] = [];
  if (asked.light && table.deadRows !== undefined) verdicts.push(vacuum(object, table, rules, asked.now));
  if (asked.light && table.analyzedAt !== undefined) verdicts.push(statistics(object, table, rules, asked.now));
  if (asked.heavy !== 'never' && worth(table, rules)) {
    const why = share(table.reclaimableBytes, table.bytes);
    if (kind === 'postgres')
      verdicts.push({
        kind: 'rebuild',
        ...object,
        why: `${why} would come back, and only VACUUM FULL gives it: that stops everybody, so a person decides`,
      });
    else verdicts.push(rebuild(object, table, asked));
  }
  return verdicts;
}

function vacuum(object: Object, table: TableLook, rules: FitnessRules, now: Date): Verdict {
  const { rows, deadRows = 0, changedRows = 0, vacuumedAt } = table;
  const all = rows + deadRows;
  if (deadRows >= DEAD_ROWS && deadRows / all >= rules.deadShare)
    return {
      kind: 'vacuum',
      ...object,
      reason: `${deadRows} of ${all} rows are dead (${percent(deadRows / all)})`,
      expectedBytes: Math.round((table.bytes * deadRows) / all),
    };
  const written = deadRows > 0 || changedRows > 0;
  if (!vacuumedAt) {
    if (all > 0 && written) return { kind: 'vacuum', ...object, reason: 'it was never vacuumed' };
    return { kind: 'vacuum', ...object, why: 'nothing was written to it' };
  }
  const ago = now.getTime() - Date.parse(vacuumedAt);
  if (!written) return { kind: 'vacuum', ...object, why: 'nothing was written since it was vacuumed' };
  if (ago > rules.vacuumMs)
    return {
      kind: 'vacuum',
      ...object,
      reason: `it was vacuumed ${formatDuration(ago)} ago, and written to since`,
    };
  return {
    kind: 'vacuum',
    ...object,
    why: `it was vacuumed ${formatDuration(Math.max(0, ago))} ago, and ${percent(all > 0 ? deadRows / all : 0)} of its rows are dead`,
  };
}

function statistics(object: Object, table: TableLook, rules: FitnessRules, now: Date): Verdict {
  const { rows, changedRows = 0, analyzedAt } = table;
  if (!analyzedAt) {
    if (rows > 0 || changedRows > 0) return { kind: 'analyze', ...object, reason: 'it has no statistics yet' };
    return { kind: 'analyze', ...object, why: 'it is empty' };
  }
  const ago = now.getTime() - Date.parse(analyzedAt);
  // An engine that does not count what is written leaves it out: then age alone decides.
  const written = table.changedRows === undefined || changedRows > 0;
  if (changedRows >= CHANGED_ROWS && changedRows >= rows * rules.changedShare)
    return { kind: 'analyze', ...object, reason: `${changedRows} rows were written since its statistics were taken` };
  if (written && ago > rules.vacuumMs)
    return { kind: 'analyze', ...object, reason: `its statistics are ${formatDuration(ago)} old` };
  return {
    kind: 'analyze',
    ...object,
    why: written
      ? `its statistics are ${formatDuration(Math.max(0, ago))} old`
      : 'nothing was written since its statistics were taken',
  };
}

/** Left by a REINDEX CONCURRENTLY that did not end: nobody asked for an index of that name. */
const LEFTOVER = /_cc(?:new|old)\d*$/;

function ofIndex({ kind }: DatabaseLook, index: IndexLook, rules: FitnessRules, asked: Asked): Verdict[] {
  if (kind !== 'postgres' || asked.heavy === 'never') return [];
  const object: Object = { database: index.database, object: index.name };
  if (!index.valid) {
    if (LEFTOVER.test(index.name))
      return [
        {
          kind: 'drop-invalid-index',
          ...object,
          reason: 'a rebuild that failed left it behind: it costs every write and serves no read',
          expectedBytes: index.bytes,
        },
      ];
    return [
      {
        kind: 'drop-invalid-index',
        ...object,
        why: 'somebody wanted it and its build failed: build it again with REINDEX INDEX CONCURRENTLY, or drop it',
      },
    ];
  }
  if (!worth(index, rules)) return [];
  const back = share(index.reclaimableBytes, index.bytes);
  if (!index.measured)
    return [{ kind: 'reindex', ...object, why: `about ${back} would come back, but that is estimated, not measured` }];
  if (asked.heavy === 'window' && !asked.inWindow)
    return [{ kind: 'reindex', ...object, why: `${back} would come back; ${waits(asked)}` }];
  const due: FitnessTask = {
    kind: 'reindex',
    ...object,
    reason: `${back} of it is empty, as measured`,
    expectedBytes: index.reclaimableBytes,
  };
  const last = lastOf(asked.done, due);
  const ago = last && asked.now.getTime() - last.getTime();
  if (ago !== undefined && ago < rules.reindexMs)
    return [{ kind: 'reindex', ...object, why: `it was built anew ${formatDuration(Math.max(0, ago))} ago already` }];
  return [due];
}

function ofWhole(
  { kind, logBytes = 0 }: DatabaseLook,
  whole: {
    readonly database: string;
    readonly bytes: number;
    readonly reclaimableBytes?: number | undefined;
    readonly measured: boolean;
  },
  rules: FitnessRules,
  asked: Asked,
): Verdict[] {
  const object: Object = { database: whole.database };
  if (kind === 'sqlite')
    return [
      ...(asked.light
        ? [{ kind: 'analyze' as const, ...object, reason: 'SQLite takes again what statistics are stale' }]
        : []),
      ...(asked.light && logBytes >= WORTH_MEMORY
        ? [
            {
              kind: 'checkpoint' as const,
              ...object,
              reason: `its log has grown to ${Math.round(logBytes / 1024 ** 2)} MiB`,
              expectedBytes: logBytes,
            },
          ]
        : []),
      ...(asked.heavy === 'never' ? [] : [wholeRebuild(object, whole, rules, asked)]),
    ];
  return [];
}

/** Memory is of the server, and not of one of its databases. */
function ofMemory({ databases, fragmentation, memory }: DatabaseLook, rules: FitnessRules, asked: Asked): Verdict[] {
  const [first] = databases;
  if (!first || fragmentation === undefined || !memory || asked.heavy === 'never') return [];
  const held = Math.max(0, memory.residentBytes - memory.usedBytes);
  const figures = `resident memory is ${fragmentation.toFixed(2)} times what is used`;
  const task = { kind: 'defragment' as const, database: first.name };
  if (fragmentation >= rules.fragmentation && held >= WORTH_MEMORY)
    return [{ ...task, reason: figures, expectedBytes: held }];
  return [{ ...task, why: figures }];
}

function wholeRebuild(object: Object, whole: Parameters<typeof worth>[0], rules: FitnessRules, asked: Asked): Verdict {
  if (worth(whole, rules)) return rebuild(object, whole, asked);
  return { kind: 'rebuild', ...object, why: `only ${share(whole.reclaimableBytes ?? 0, whole.bytes)} would come back` };
}

function rebuild(object: Object, held: Parameters<typeof worth>[0], asked: Asked): Verdict {
  const back = share(held.reclaimableBytes, held.bytes);
  const no = (why: string): Verdict => ({ kind: 'rebuild', ...object, why: `${back} would come back, but ${why}` });
  if (!held.measured) return no('that is estimated, not measured');
  if (!asked.inWindow) return no(`it locks: ${waits(asked)}`);
  if (!asked.proven) return no('no copy of it is proven yet');
  return { kind: 'rebuild', ...object, reason: `${back} of it is empty`, expectedBytes: held.reclaimableBytes };
}

const waits = ({ nextWindow }: Asked): string =>
  nextWindow
    ? `it waits for the window of ${nextWindow.toISOString().slice(0, 16).replace('T', ' ')} UTC`
    : 'it waits for a window, and databases.windows has none';

interface Held {
  readonly bytes: number;
  readonly reclaimableBytes?: number | undefined;
  readonly measured: boolean;
}

function worth({ bytes, reclaimableBytes = 0 }: Held, { reclaimableShare }: FitnessRules): boolean {
  return reclaimableBytes >= WORTH_BYTES && reclaimableBytes > bytes * reclaimableShare;
}

const percent = (part: number): string => `${(part * 100).toFixed(part < 0.1 ? 1 : 0)} %`;
const share = (part = 0, whole: number): string => percent(whole > 0 ? part / whole : 0);
