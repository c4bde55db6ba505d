import type { Log } from '../core/log.ts';
import type { Waiting } from '../core/ports/queue.ts';
import type { Executions, Owned } from './executions.ts';

/** The executions in the hands of this process: those that it began, and those that it took over. */
export interface Chains {
  start(execution: Owned): void;
  /** Every execution that runs on this node is in somebody's hands afterwards. */
  settle(): Promise<void>;
  /** Those that run on this node and that nobody has in hand. */
  waiting(before: Date): Promise<Waiting[]>;
  /** Goes on here with what a lost node had begun, where it stood; from then on the lost node can write nothing about it. */
  takeOver(lost: string): Promise<void>;
  /** Takes nothing new in hand. */
  pause(): void;
}

export function createChains({
  executions,
  chain,
  log,
}: {
  readonly executions: Executions;
  readonly chain: (executionId: string, epoch: number) => Promise<void>;
  readonly log: Log;
}): Chains {
  const hands = new Set<string>();
  let paused = false;

  function start({ id, epoch }: Owned): void {
    if (paused || hands.has(id)) return;
    hands.add(id);
    void chain(id, epoch)
      .catch((thrown: unknown) => log.error('chain failed', { execution: id, reason: (thrown as Error).message }))
      .finally(() => hands.delete(id));
  }

  return {
    start,
    async settle() {
      const rows = (await executions.runningHere()).filter(({ id }) => !hands.has(id));
      if (rows.length === 0) return;
      for (const one of await executions.again(rows)) start(one);
    },
    async waiting(before) {
      const rows = (await executions.runningHere()).filter(({ id, started_at: at }) => !hands.has(id) && at < before);
      return rows.map(({ id, workflow, started_at: since }) => ({
        kind: 'execution',
        id,
        what: workflow,
        since: since.toISOString(),
      }));
    },
    async takeOver(lost) {
      for (const one of await executions.takeOver(lost)) {
        log.warn('workflow of a lost node goes on here', { execution: one.id, node: lost });
        start(one);
      }
    },
    pause: () => void (paused = true),
  };
}
