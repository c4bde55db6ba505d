import type { Log } from '../core/log.ts';
import type { Executions, Owned } from './executions.ts';

/** The executions in the hands of this process: those that it began, and those that it took over. */
export interface Chains {
  start(execution: Owned): void;
  /** Every execution that runs on this node is in somebody's hands afterwards. */
  settle(): Promise<number>;
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
      if (rows.length === 0) return 0;
      const taken = await executions.again(rows);
      for (const one of taken) start(one);
      return taken.length;
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
