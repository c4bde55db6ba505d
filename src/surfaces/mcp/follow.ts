import { isFinal, type Run } from '../../core/run.ts';
import type { RunService } from '../../core/run-service.ts';
import { StewardError } from '../../core/errors.ts';

const TELL_EVERY_MS = 500;

/** Waits for a run to end or to ask for a person, no longer than that, and tells on the way what it does. */
export async function followRun(
  runs: Pick<RunService, 'get' | 'wait'>,
  id: string,
  {
    waitSeconds,
    signal,
    progress,
  }: {
    readonly waitSeconds: number;
    readonly signal: AbortSignal;
    readonly progress: ((message: string) => Promise<void>) | undefined;
  },
): Promise<Run> {
  const ends = performance.now() + waitSeconds * 1_000;
  let run = await runs.get(id);
  let told = '';
  for (;;) {
    if (!run)
      throw new StewardError('NOT_FOUND', `There is no run ${id.slice(0, 100)}.`, { hint: 'See the runs toolset.' });
    const message = describe(run);
    if (progress && message !== told) {
      told = message;
      await progress(message);
    }
    const left = ends - performance.now();
    if (isFinal(run.status) || run.status === 'waiting-approval' || left <= 0 || signal.aborted) return run;
    run = await runs.wait(id, { timeoutMs: progress ? Math.min(left, TELL_EVERY_MS) : left, signal });
  }
}

function describe({ status, phases, changes, progress }: Run): string {
  const phase = isFinal(status) ? undefined : phases.findLast(({ finishedAt }) => finishedAt === undefined)?.phase;
  const done = changes.filter((change) => change.status === 'done').length;
  return [
    status,
    phase,
    phase === 'execute' && changes.length > 0 ? `${done} of ${changes.length} changes` : undefined,
    progress?.message,
    progress?.total === undefined ? undefined : `${progress.done} of ${progress.total}`,
  ]
    .filter(Boolean)
    .join(', ');
}
