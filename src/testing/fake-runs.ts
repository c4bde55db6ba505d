import { StewardError } from '../core/errors.ts';
import { isFinal, type Run, type RunStatus } from '../core/run.ts';
import type { Mode } from '../core/mode.ts';
import type { RunFollowUps, RunService, StartRun } from '../core/run-service.ts';

export interface FakeRuns extends RunService, Pick<RunFollowUps, 'mode'> {
  readonly started: StartRun[];
  /** Numbers of the runs that were canceled. */
  readonly canceled: number[];
  end(index: number, status: 'succeeded' | 'failed', message?: string): void;
  set(index: number, status: RunStatus, more?: Partial<Run>): void;
  /** The run's target from now on. */
  workOn(index: number, resourceId: string): void;
  /** The mode of all of Steward from now on. */
  switchTo(mode: Mode): void;
  /** The next start is lost, as if the store went away. */
  breakNextStart(): void;
}

/** Runs that begin and then stay where they are until the test says how they end. One key is one run. */
export function fakeRuns(now: () => Date): FakeRuns {
  const started: StartRun[] = [];
  const canceled: number[] = [];
  const all: Run[] = [];
  let broken = false;
  let mode: Mode = 'normal';

  function change(index: number, members: Partial<Run>): void {
    const run = all[index];
    if (!run) throw new Error(`There is no run ${index}.`);
    all[index] = { ...run, ...members };
  }
  function indexOf(id: string): number {
    const index = all.findIndex((run) => run.id === id);
    if (index < 0) throw new StewardError('NOT_FOUND', `There is no run ${id}.`);
    return index;
  }
  const unused = (): never => {
    throw new Error('This fake does not approve anything.');
  };

  return {
    started,
    canceled,
    end: (index, status, message) =>
      change(index, {
        status,
        finishedAt: now(),
        ...(status === 'failed' && { error: { code: 'VERIFICATION_FAILED', message: message ?? 'it did not work' } }),
      }),
    set: (index, status, more = {}) => change(index, { ...more, status }),
    workOn: (index, resourceId) => change(index, { target: { id: resourceId, name: resourceId, critical: false } }),
    breakNextStart: () => void (broken = true),
    switchTo: (next) => void (mode = next),
    mode: async () => ({ mode }),

    async start(request) {
      if (broken) {
        broken = false;
        throw new StewardError('STORE_UNAVAILABLE', 'The store is away.');
      }
      const same = started.findIndex(
        ({ idempotencyKey }) => idempotencyKey !== undefined && idempotencyKey === request.idempotencyKey,
      );
      if (same >= 0) return all[same] as Run;
      if (mode === 'stopped') throw new StewardError('STEWARD_PAUSED', 'Steward is stopped.');
      started.push(request);
      const run: Run = {
        id: `run_${all.length}`,
        automation: request.automation,
        version: 1,
        status: 'running',
        dryRun: false,
        trigger: request.trigger,
        actor: request.actor,
        causation: request.causation ?? {},
        node: 'here',
        input: request.input as Run['input'],
        phases: [],
        changes: [],
        checks: [],
        createdAt: now(),
      };
      all.push(run);
      return run;
    },
    get: async (id) => all.find((run) => run.id === id),
    list: async ({ targetId, status, automation }) => ({
      items: all.filter(
        (run) =>
          (targetId === undefined || run.target?.id === targetId) &&
          (status === undefined || status.includes(run.status)) &&
          (automation === undefined || run.automation === automation),
      ),
    }),
    wait: async (id) => all[indexOf(id)] as Run,
    approve: unused,
    reject: unused,
    async cancel(id) {
      const index = indexOf(id);
      if (!isFinal((all[index] as Run).status)) change(index, { status: 'canceled', finishedAt: now() });
      canceled.push(index);
      return all[index] as Run;
    },
  };
}
