import type { StepRecord } from '../core/run-service.ts';
import { allSteps, type Workflow, type WorkflowStep } from '../core/workflow.ts';

export type Shape = Pick<Workflow, 'steps' | 'onError'>;
export type ChainPhase = 'steps' | 'error';

/** What an execution does next. */
export type Next =
  /** These begin now; those that are under way go on. Nothing to begin and nothing under way does not occur. */
  | { readonly kind: 'go'; readonly begin: readonly WorkflowStep[] }
  /** No step of the chain itself begins any more: its error branch does. */
  | { readonly kind: 'error'; readonly status: 'failed' | 'canceled'; readonly because: StepRecord | undefined }
  | { readonly kind: 'end' };

const UNDER_WAY: ReadonlySet<StepRecord['status']> = new Set(['running', 'waiting', 'waiting-approval']);
export const isUnderWay = ({ status }: StepRecord): boolean => UNDER_WAY.has(status);
export const isOver = ({ status }: StepRecord): boolean =>
  status !== 'pending' && !isUnderWay({ status } as StepRecord);

/** The records of a chain that has not begun: what comes is seen from the beginning. */
export function recordsOf(shape: Shape): StepRecord[] {
  return allSteps(shape).map(({ step, branch }) => ({
    id: step.id,
    title: step.title,
    ...(step.automation !== undefined && { automation: step.automation }),
    status: 'pending',
    ...(branch !== undefined && { branch }),
  }));
}

/** The steps that must have ended before this one; of the chain itself, not of its branches. */
export function needsOf(steps: readonly WorkflowStep[], step: WorkflowStep): readonly string[] {
  if (step.needs) return step.needs;
  const before = steps[steps.indexOf(step) - 1];
  return before ? [before.id] : [];
}

/** Decides by the records alone, so that whoever takes an execution in hand decides the same. `stopped`: it was canceled, or its time is up. */
export function nextOf(
  shape: Shape,
  records: ReadonlyMap<string, StepRecord>,
  { phase, stopped }: { readonly phase: ChainPhase; readonly stopped: boolean },
): Next {
  const { steps, onError = [] } = shape;
  const recordOf = (id: string): StepRecord => records.get(id) ?? { id, title: id, status: 'pending' };
  const failed = (step: WorkflowStep): boolean => recordOf(step.id).status === 'failed';
  const broken = steps.filter(failed);
  const because = (broken.find(({ onFailure }) => onFailure !== 'continue') ?? broken[0])?.id;
  const culprit = because === undefined ? undefined : recordOf(because);
  const status = broken.some(({ id }) => recordOf(id).ended === 'canceled') ? 'canceled' : 'failed';

  if (phase === 'error') {
    const branch = branchNext(onError, recordOf, stopped);
    return branch ? { kind: 'go', begin: branch } : { kind: 'end' };
  }
  // What belongs to a step that failed comes before everything after it.
  const branches = broken.flatMap((step) => {
    const begin = branchNext(step.onError ?? [], recordOf, false);
    return begin ? [{ step, begin }] : [];
  });
  const handling = new Set(branches.map(({ step }) => step.id));
  const done = (id: string): boolean => isOver(recordOf(id)) && !handling.has(id);
  const halted =
    stopped || broken.some(({ onFailure, id }) => onFailure !== 'continue' || recordOf(id).ended === 'canceled');
  const ready = halted
    ? []
    : steps.filter(({ id }) => recordOf(id).status === 'pending').filter((step) => needsOf(steps, step).every(done));
  const begin = [...branches.flatMap((one) => one.begin), ...ready];
  if (begin.length > 0 || branches.length > 0 || [...records.values()].some(isUnderWay)) return { kind: 'go', begin };
  if (broken.length === 0 && !stopped) return { kind: 'end' };
  return { kind: 'error', status, because: culprit };
}

/** One after the other. undefined: it has come to its end. */
function branchNext(
  branch: readonly WorkflowStep[],
  recordOf: (id: string) => StepRecord,
  stopped: boolean,
): WorkflowStep[] | undefined {
  if (branch.some(({ id }) => isUnderWay(recordOf(id)))) return [];
  if (stopped) return undefined;
  for (const step of branch) {
    const { status } = recordOf(step.id);
    if (status === 'pending') return [step];
    if (status === 'failed' && step.onFailure !== 'continue') return undefined;
  }
  return undefined;
}
