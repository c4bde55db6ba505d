import { StewardError } from '../core/errors.ts';
import { isFinal, type Run } from '../core/run.ts';
import type { RunFollowUps, RunService } from '../core/run-service.ts';
import { createAnswers } from './answers.ts';
import { createFollowUps } from './follow-ups.ts';
import type { RunRow } from './run-rows.ts';
import { type StartDeps, startRun } from './start.ts';

const LOOK_EVERY_MS = 1_000;

export type Service = RunService &
  RunFollowUps & { expire(): Promise<number>; cancelAll(by: string, reason: string): Promise<number> };

function gone(id: string): never {
  throw new StewardError('NOT_FOUND', `There is no run ${id}.`);
}

export function createService(deps: StartDeps & { readonly forget: (row: RunRow) => Promise<void> }): Service {
  const { runs } = deps;

  async function wait(
    id: string,
    { timeoutMs, signal }: { timeoutMs: number; signal?: AbortSignal | undefined },
  ): Promise<Run> {
    const ends = performance.now() + timeoutMs;
    for (let first = true; ; first = false) {
      const news = Promise.withResolvers<void>();
      const unlisten = runs.news.on(id, news.resolve);
      const left = Math.max(0, ends - performance.now());
      const timer = setTimeout(news.resolve, Math.min(left, LOOK_EVERY_MS));
      const stop = (): void => news.resolve();
      signal?.addEventListener('abort', stop, { once: true });
      try {
        // Before its news the whole of it is seldom wanted, and after them always.
        const run = await (first && left > 0 ? runs.row(id) : runs.get(id));
        if (!run) return gone(id);
        if (isFinal(run.status) || run.status === 'waiting-approval' || left === 0 || signal?.aborted)
          return 'changes' in run ? run : ((await runs.get(id)) ?? gone(id));
        await news.promise;
      } finally {
        unlisten();
        clearTimeout(timer);
        signal?.removeEventListener('abort', stop);
      }
    }
  }

  return {
    start: (request) => startRun(deps, request),
    get: (id) => runs.get(id),
    list: (query) => runs.list(query),
    wait,
    ...createAnswers(deps),
    ...createFollowUps(deps),
  };
}
