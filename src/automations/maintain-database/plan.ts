import type { SlowQuery } from '../../core/database/look.ts';
import type { FitnessTask } from '../../core/database/task.ts';
import { MOST_TASKS } from './analyze.ts';
import type { Facts, SeenSource, SourceTask } from '../../core/database/maintenance.ts';
import { toldOf, wantedOf } from '../../core/database/rehearse.ts';
import type { Input } from './schema.ts';

interface Changes {
  readonly id: string;
  readonly title: string;
  readonly undo: 'none';
  readonly additive: true;
  readonly reason?: string | undefined;
  readonly detail?: string | undefined;
}

export interface RehearsalChange extends Changes {
  readonly what: 'rehearsal';
  readonly source: string;
  readonly proven: NonNullable<SeenSource['proven']>;
  readonly tasks: readonly SourceTask[];
  readonly slow: readonly SlowQuery[];
}
export interface TaskChange extends Changes, SourceTask {
  readonly what: 'task';
  readonly reason: string;
}
/** Changes nothing: it tells whoever reads the plan that this is not all. */
export interface LeftChange extends Changes {
  readonly what: 'left';
}
export type PlannedChange = RehearsalChange | TaskChange | LeftChange;

/** Each source is rehearsed first, unless that was done before the plan, then each task in turn. */
export function planOf(facts: Facts, input: Pick<Input, 'rehearse' | 'auto_index'>): readonly PlannedChange[] {
  const rehearsals = facts.sources.flatMap(({ name, proven }): RehearsalChange[] => {
    const wanted = wantedOf(facts, name, input);
    if (
      !proven ||
      facts.rehearsals.some(({ source }) => source === name) ||
      (wanted.tasks.length === 0 && wanted.slow.length === 0)
    )
      return [];
    const what = [
      ...(wanted.tasks.length > 0 ? [counted(wanted.tasks.length, 'task')] : []),
      ...(wanted.slow.length > 0 ? [`indexes for ${counted(wanted.slow.length, 'slow query', 'slow queries')}`] : []),
    ];
    return [
      {
        what: 'rehearsal',
        id: `rehearse:${name}`,
        title: `Try ${what.join(' and ')} on the proven copy of ${name}`,
        reason: 'It is restored into a throw-away place. What fails there is not done here.',
        undo: 'none',
        additive: true,
        source: name,
        proven,
        ...wanted,
      },
    ];
  });
  // What a task leaves is wanted whatever becomes of the rest; no row goes.
  const tasks = facts.tasks.map((task): TaskChange => {
    const tried = facts.rehearsals.find(({ source }) => source === task.source);
    const detail = tried && toldOf(tried, tried.copy, task);
    return {
      what: 'task',
      title: titleOf(task),
      undo: 'none',
      additive: true,
      ...task,
      ...(detail !== undefined && { detail }),
    };
  });
  return [...rehearsals, ...tasks, ...leftOf(facts)];
}

function leftOf({ left }: Pick<Facts, 'left'>): LeftChange[] {
  const all = left.reduce((sum, { tasks }) => sum + tasks, 0);
  if (all === 0) return [];
  return [
    {
      what: 'left',
      id: 'left',
      title: `Leave ${counted(all, 'more task')} for the next run`,
      reason: `One run does the ${MOST_TASKS} that matter most. Left are those of ${left.map(({ source, tasks }) => `${source} (${tasks})`).join(', ')}.`,
      undo: 'none',
      additive: true,
    },
  ];
}

const counted = (many: number, one: string, several = `${one}s`): string => `${many} ${many === 1 ? one : several}`;

const WORDS: Record<FitnessTask['kind'], string> = {
  vacuum: 'Vacuum',
  analyze: 'Take the statistics of',
  reindex: 'Build anew',
  'drop-invalid-index': 'Remove the invalid index',
  rebuild: 'Rebuild',
  defragment: 'Give back memory of',
  checkpoint: 'Take in the log of',
};

export function titleOf({ kind, source, database, object }: SourceTask): string {
  return `${WORDS[kind]} ${object === undefined ? database : `${object} in ${database}`} (${source})`;
}
