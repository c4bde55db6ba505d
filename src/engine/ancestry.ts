import type { Causation } from '../core/event.ts';
import type { ExecutionRow, Executions } from './executions.ts';
import type { RunRow } from './run-rows.ts';
import type { Runs } from './runs.ts';
import type { LoopFrame } from './tables-life.ts';

/** Beyond it nobody looks: it is a loop, whatever it is made of. */
export const DEEPEST = 20;

/** Something that had to happen for what is asked now. */
export interface Ancestor {
  readonly key: string;
  readonly frame: LoopFrame;
}

export interface Ancestry {
  /** The nearest first. Events stand among them, without a key of their own. */
  readonly ancestors: readonly Ancestor[];
  /** How many runs, or workflows, one after the other. */
  readonly generations: number;
}

interface AncestryDeps {
  readonly runs: Pick<Runs, 'row'>;
  readonly executions: Pick<Executions, 'row'>;
}

export const runKey = (automation: string, targetId: string | null | undefined, inputHash: string): string =>
  `${automation} ${targetId ?? inputHash}`;

/** The same workflow for the same subject is the same thing again. */
export function workflowKey(name: string, subject: unknown): string {
  const { kind = '', id = '' } = (subject ?? {}) as { kind?: string; id?: string };
  return `workflow ${name} ${kind}:${id}`;
}

/**
 * Follows causes back: from a run to the workflow it is a step of, from there to the event, from the event to the run or the
 * workflow that it tells of. `asStep`: the causation is that of a run; otherwise that of an event.
 */
export async function ancestryOf(
  { runs, executions }: AncestryDeps,
  causation: Causation,
  { asStep, replans }: { readonly asStep: boolean; readonly replans?: string | undefined },
): Promise<Ancestry> {
  const ancestors: Ancestor[] = [];
  const seen = new Set<string>();
  let generations = 0;
  let cause: Causation | undefined = causation;
  let ofRun = asStep;
  // A run that is planned again is the same one, however often.
  let same = replans;

  const visitRun = (run: RunRow): void => {
    if (run.id !== same && run.loop_key !== null)
      ancestors.push({ key: run.loop_key, frame: { kind: 'run', name: run.automation, id: run.id } });
    if (run.id !== same) generations += 1;
    same = run.relation?.kind === 'replans' ? run.relation.runId : undefined;
  };

  const visitWorkflow = async (execution: ExecutionRow): Promise<void> => {
    const event = (execution.context['event'] ?? {}) as { type?: string; id?: number; subject?: unknown };
    // Told by its own end, all of its steps had to happen; told as the workflow of a step, only what started it.
    if (!ofRun) {
      generations += 1;
      for (const { runId } of execution.steps.toReversed()) {
        const run = runId === undefined ? undefined : await runs.row(runId);
        if (run && run.loop_key !== null)
          ancestors.push({ key: run.loop_key, frame: { kind: 'run', name: run.automation, id: run.id } });
      }
    }
    ancestors.push({
      key: workflowKey(execution.workflow, event.subject),
      frame: { kind: 'workflow', name: execution.workflow, id: execution.id },
    });
    if (event.type !== undefined)
      ancestors.push({ key: '', frame: { kind: 'event', name: event.type, id: String(event.id ?? '') } });
  };

  while (cause) {
    const { run, execution }: { run?: RunRow | undefined; execution?: ExecutionRow | undefined } = await nearest(cause);
    const found = run ?? execution;
    if (!found || seen.has(found.id)) break;
    seen.add(found.id);
    if (run) visitRun(run);
    else if (execution) await visitWorkflow(execution);
    if (generations > DEEPEST) break;
    ofRun = run !== undefined;
    cause = found.causation;
  }
  return { ancestors, generations };

  /** An event of a run names the run and its workflow; one of a workflow names the workflow and what had caused it. */
  async function nearest({ runId, workflowId }: Causation): Promise<{ run?: RunRow; execution?: ExecutionRow }> {
    const run = runId === undefined ? undefined : await runs.row(runId);
    if (workflowId !== undefined && run?.causation.workflowId !== workflowId) {
      const execution = await executions.row(workflowId);
      if (execution) return { execution };
    }
    return run ? { run } : {};
  }
}
