import type { Bounds } from '../../core/database/divergence.ts';
import { DatabaseLook } from '../../core/database/look.ts';
import type { DoneBefore, FitnessRules } from '../../core/database/rules.ts';
import type { FitnessTask, TaskDone } from '../../core/database/task.ts';
import { type ErrorCode, StewardError } from '../../core/errors.ts';
import type { FitnessPort } from '../../core/ports/fitness.ts';

const DAY = 86_400_000;
const RULES: FitnessRules = {
  vacuumMs: 7 * DAY,
  reindexMs: 30 * DAY,
  deadShare: 0.1,
  changedShare: 0.1,
  reclaimableShare: 0.2,
  fragmentation: 1.4,
};

export interface FakeFitness extends FitnessPort {
  addDatabase(look: Partial<DatabaseLook> & Pick<DatabaseLook, 'source' | 'kind'>): void;
  seen(source: string): DatabaseLook;
  /** From now on a task of that kind ends so, there or where it is rehearsed. */
  fail(kind: FitnessTask['kind'], code: ErrorCode, where?: 'there' | 'rehearsal'): void;
  /** It says it did, and did nothing. */
  pretend(kind: FitnessTask['kind']): void;
  /** From now on there is no place to rehearse, for this reason. */
  noPlace(why: string): void;
  openWindow(open: boolean): void;
  remember(source: string, done: DoneBefore): void;
  /** Within which each task was to be done. */
  readonly bounds: readonly (Bounds | undefined)[];
  readonly rehearsals: readonly { readonly location: string; readonly tasks: readonly FitnessTask[] }[];
}

/** Databases in memory: a task does to their look what it does to a real one. */
export function fakeFitness({ now }: { readonly now: () => Date }): FakeFitness {
  const looks = new Map<string, DatabaseLook>();
  const failing = new Map<string, ErrorCode>();
  const pretending = new Set<string>();
  const remembered = new Map<string, DoneBefore[]>();
  const rehearsals: { location: string; tasks: readonly FitnessTask[] }[] = [];
  const bounds: (Bounds | undefined)[] = [];
  let open = true;
  let noPlace: string | undefined;

  const lookOf = (source: string): DatabaseLook => {
    const look = looks.get(source);
    if (look) return look;
    throw new StewardError('NOT_FOUND', `The configuration has no source '${source}'.`);
  };

  function does(look: DatabaseLook, task: FitnessTask): TaskDone {
    const table = look.tables.find(({ name }) => name === task.object);
    const index = look.indexes.find(({ name }) => name === task.object);
    const whole = look.databases.find(({ name }) => name === task.database);
    const beforeBytes = (index ?? table ?? whole)?.bytes ?? 0;
    const at = now().toISOString();
    switch (task.kind) {
      case 'vacuum':
        if (table) Object.assign(table, { deadRows: 0, vacuumedAt: at });
        break;
      case 'analyze':
        if (table) Object.assign(table, { changedRows: 0, analyzedAt: at });
        break;
      case 'reindex':
        if (index) Object.assign(index, { bytes: index.bytes - (index.reclaimableBytes ?? 0), reclaimableBytes: 0 });
        break;
      case 'drop-invalid-index':
        looks.set(look.source, { ...look, indexes: look.indexes.filter((one) => one !== index) });
        break;
      case 'rebuild': {
        const held = table ?? whole;
        if (held) Object.assign(held, { bytes: held.bytes - (held.reclaimableBytes ?? 0), reclaimableBytes: 0 });
        break;
      }
      case 'defragment':
        looks.set(look.source, {
          ...look,
          fragmentation: 1,
          memory: { usedBytes: 1e8, residentBytes: 1e8, keys: 1, evictedKeys: 0 },
        });
        break;
      case 'checkpoint':
        looks.set(look.source, { ...look, logBytes: 0 });
        break;
    }
    return { durationMs: 5, beforeBytes, afterBytes: (index ?? table ?? whole)?.bytes ?? 0, locks: [] };
  }

  return {
    rehearsals,
    bounds,
    addDatabase: (look) =>
      void looks.set(
        look.source,
        DatabaseLook.parse({
          version: '1',
          at: now().toISOString(),
          databases: [{ name: look.source, bytes: 1e8 }],
          tables: [],
          indexes: [],
          slow: [],
          blind: [],
          ...look,
        }),
      ),
    seen: lookOf,
    fail: (kind, code, where = 'there') => void failing.set(`${where}:${kind}`, code),
    pretend: (kind) => void pretending.add(kind),
    noPlace: (why) => void (noPlace = why),
    openWindow: (isOpen) => void (open = isOpen),
    remember: (source, done) => void remembered.set(source, [...(remembered.get(source) ?? []), done]),

    settings: () => ({
      rules: RULES,
      slowMs: 1_000,
      taskMs: 60_000,
      lockMs: 1_000,
      divergence: { times: 10, leastMs: 60_000 },
    }),
    inWindow: () => open,
    nextWindow: () => new Date('2026-04-05T00:00:00Z'),
    kinds: () => ['postgres', 'mysql', 'sqlite', 'redis'],
    done: async (source) => remembered.get(source) ?? [],
    look: async (source) => ({ ...structuredClone(lookOf(source)), at: now().toISOString() }),
    plans: async (source, databases) => ({
      plans: databases.map((database) => ({
        database,
        statement: 'select from orders where day = $1',
        calls: 9,
        cost: (lookOf(source).indexes[0]?.bytes ?? 0) / 1_000,
        plan: 'Seq Scan on orders',
      })),
    }),
    async perform(source, task, { signal }, within) {
      signal.throwIfAborted();
      bounds.push(within);
      const code = failing.get(`there:${task.kind}`);
      if (code) throw new StewardError(code, `${task.kind} of ${task.object ?? task.database} did not go`);
      if (pretending.has(task.kind)) return { durationMs: 1, locks: [] };
      return does(lookOf(source), task);
    },
    async rehearse({ location }, _owner, { tasks, slow }) {
      if (noPlace !== undefined) throw new StewardError('DISK_FULL', noPlace);
      rehearsals.push({ location, tasks });
      return {
        tasks: tasks.map((task) => {
          const code = failing.get(`rehearsal:${task.kind}`);
          if (code) return { ...task, error: `${task.kind} did not go there` };
          const locks = [{ table: task.object ?? '', mode: 'Share', heldMs: 7 }];
          return { ...task, done: { durationMs: 7, beforeBytes: 1e7, afterBytes: 5e6, locks } };
        }),
        advice: slow.map(({ database, statement }) => ({
          database,
          table: 'public.orders',
          columns: ['day'],
          sql: 'create index concurrently on public.orders (day)',
          statement,
          tested: 'sandbox',
          costBefore: 100,
          costAfter: 1,
        })),
      };
    },
  };
}
