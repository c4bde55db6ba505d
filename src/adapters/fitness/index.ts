import type { StandIn } from '../../core/backup/reader.ts';
import type { BackupSource } from '../../core/backup/source.ts';
import type { Doing } from '../../core/backup/store.ts';
import type { DatabaseAt, DatabaseEngine } from '../../core/database/engine.ts';
import type { DatabaseLook } from '../../core/database/look.ts';
import { type FitnessTask, type IndexAdvice, isSameTask } from '../../core/database/task.ts';
import { StewardError } from '../../core/errors.ts';
import type { FitnessPort, Rehearsal } from '../../core/ports/fitness.ts';
import type { Loan } from '../backups/sandbox.ts';

/** So many rehearsals are remembered for runs that wait for a person. */
const REMEMBERED = 100;

/** A run that plans and looks again right before it begins takes what it measured, unless it waited in between. */
const MEASURED_FOR_MS = 5 * 60_000;

/** Why an engine cannot say how it goes about a statement. */
const NO_PLANS: Record<DatabaseEngine['kind'], string> = {
  postgres: 'it does not say',
  mysql: 'MariaDB and MySQL plan only with values, and what they keep of statements has none',
  sqlite: 'SQLite keeps no record of statements',
  redis: 'Redis has no plans',
};

export interface FitnessDeps {
  readonly sources: () => readonly BackupSource[];
  readonly engines: readonly DatabaseEngine[];
  readonly rehearse: <T>(loan: Loan, use: (there: StandIn) => Promise<T>) => Promise<T>;
  readonly now: () => Date;
  /** What was measured last of each source, for as long as nothing was done to it. Of the whole process: each step makes its own port. */
  readonly measured: Map<string, DatabaseLook>;
  /** What was tried last for a run, of the whole process as well. */
  readonly rehearsed: Map<string, Rehearsal>;
}

/** Databases by the names of their backup sources, each by the engine of its kind. */
export function createFitness({
  sources,
  engines,
  rehearse,
  now,
  measured,
  rehearsed,
}: FitnessDeps): Pick<FitnessPort, 'kinds' | 'look' | 'plans' | 'perform' | 'rehearse'> {
  function reach(name: string): { readonly at: DatabaseAt; readonly engine: DatabaseEngine } {
    const source = sources().find((each) => each.name === name);
    if (!source)
      throw new StewardError('NOT_FOUND', `The configuration has no source '${name}'.`, {
        hint: 'backups.sources in steward.yaml names them; `steward databases` shows those that are databases.',
      });
    const engine = engines.find(({ kind }) => kind === source.kind);
    // The engine is the one of its kind.
    if (engine) return { at: { source } as DatabaseAt, engine };
    throw new StewardError('PRECONDITION_FAILED', `The source '${name}' is of the kind ${source.kind}, no database.`, {
      hint: '`steward databases` shows those that can be kept fit.',
    });
  }

  const key = (source: string, run: string): string => `${source}@${run}`;
  function forget(source: string): void {
    for (const held of measured.keys()) if (held.startsWith(`${source}@`)) measured.delete(held);
  }

  return {
    kinds: () => engines.map(({ kind }) => kind),

    async look(source, wanted, doing) {
      const { at, engine } = reach(source);
      const { measure = false, run } = wanted;
      const own = measure && run !== undefined ? key(source, run) : undefined;
      const held = own === undefined ? undefined : measured.get(own);
      if (held && Math.abs(now().getTime() - Date.parse(held.at)) < MEASURED_FOR_MS) return held;
      const look = await engine.look(at, wanted, doing);
      if (own !== undefined) {
        forget(source);
        measured.set(own, look);
      }
      return look;
    },

    async plans(source, databases, doing) {
      const { at, engine } = reach(source);
      if (engine.plans) return await engine.plans(at, databases, doing);
      return { plans: [], why: NO_PLANS[engine.kind] };
    },

    async perform(source, task, doing, bounds) {
      const { at, engine } = reach(source);
      try {
        return await engine.perform(at, task, doing, bounds);
      } finally {
        forget(source);
      }
    },

    async rehearse(place, owner, { tasks, slow }, doing) {
      const { engine } = reach(place.source);
      const own = `${place.source}@${owner}`;
      const before = rehearsed.get(own);
      if (before && tasks.every((task) => before.tasks.some((one) => isSameTask(one, task)))) return before;
      const came = await rehearse({ place, owner, doing }, async (there): Promise<Rehearsal> => {
        const at = { source: there.source, sandbox: true } as DatabaseAt;
        const tried: Rehearsal['tasks'][number][] = [];
        for (const task of tasks) tried.push(await tryTask({ engine, at, there }, task, doing));
        return { tasks: tried, advice: await advised({ engine, at, there }, slow, doing) };
      });
      // The oldest goes first: a run that waited too long tries again.
      const [oldest] = rehearsed.keys();
      if (rehearsed.size >= REMEMBERED && oldest !== undefined) rehearsed.delete(oldest);
      rehearsed.set(own, came);
      return came;
    },
  };
}

interface Stage {
  readonly engine: DatabaseEngine;
  readonly at: DatabaseAt;
  readonly there: StandIn;
}

async function tryTask(
  { engine, at, there }: Stage,
  task: FitnessTask,
  doing: Doing,
): Promise<Rehearsal['tasks'][number]> {
  const database = there.called(task.database);
  // What was made since the copy cannot be tried on it, and is no worse for that.
  if (database === undefined) return task;
  try {
    return { ...task, done: await engine.perform(at, { ...task, database }, doing) };
  } catch (thrown) {
    if (doing.signal.aborted) throw thrown;
    const { code, message } = StewardError.from(thrown);
    return code === 'NOT_FOUND' ? task : { ...task, error: message };
  }
}

async function advised(
  { engine, at, there }: Stage,
  slow: Parameters<FitnessPort['rehearse']>[2]['slow'],
  doing: Doing,
): Promise<readonly IndexAdvice[]> {
  const names = new Map(
    slow.flatMap(({ database }) => {
      const called = there.called(database);
      return called === undefined ? [] : [[called, database] as const];
    }),
  );
  const asked = slow.flatMap((query) => {
    const database = there.called(query.database);
    return database === undefined ? [] : [{ ...query, database }];
  });
  if (!engine.advise || asked.length === 0) return [];
  const advice = await engine.advise(at, asked, doing);
  return advice.map((one) => ({ ...one, database: names.get(one.database) ?? one.database }));
}
