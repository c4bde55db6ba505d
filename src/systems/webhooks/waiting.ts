import { setTimeout as sleep } from 'node:timers/promises';
import type { QueuePort, Waiting } from '../../core/ports/queue.ts';
import type { Stall } from './mover.ts';
import type { Delivery } from './record.ts';
import type { WebhookDb } from './tables.ts';

const WITHIN_MS = 10_000;
const LOOK_MS = 100;
const MOST = 100;

/** What should have happened to webhooks by now: the oldest in the journal of this node, or the journal where it cannot be read, and retries that are overdue. */
export function createWaiting({
  db,
  oldest,
  stall,
  nudge,
  now,
}: {
  readonly db: WebhookDb;
  readonly oldest: () => Delivery | undefined;
  readonly stall: () => Stall | undefined;
  readonly nudge: () => void;
  readonly now: () => Date;
}): Pick<QueuePort, 'waiting' | 'begin'> {
  async function waiting(before: Date): Promise<Waiting[]> {
    const journal = fromJournal();
    const overdue = await db
      .selectFrom('webhook_executions')
      .select(['execution_id', 'workflow', 'retry_at'])
      .where('retry_at', '<', before)
      .orderBy('retry_at')
      .limit(MOST)
      .execute();
    return [
      ...(journal && journal.since < before ? [{ ...journal, since: journal.since.toISOString() }] : []),
      ...overdue.map(({ execution_id: id, workflow, retry_at: since }) => ({
        kind: 'webhook' as const,
        id,
        what: workflow,
        since: (since ?? before).toISOString(),
      })),
    ];
  }

  function fromJournal() {
    const first = oldest();
    if (first) return { kind: 'webhook' as const, id: first.id, what: first.type, since: first.receivedAt };
    const stalled = stall();
    if (!stalled) return undefined;
    const { bytes, forMs, reason = 'nothing says why' } = stalled;
    const since = new Date(now().getTime() - forMs);
    return { kind: 'webhook' as const, id: 'journal', what: `${bytes} bytes of the journal: ${reason}`, since };
  }

  return {
    waiting,
    async begin() {
      const ids = new Set((await waiting(now())).map(({ id }) => id));
      nudge();
      for (const ends = performance.now() + WITHIN_MS; performance.now() < ends; await sleep(LOOK_MS))
        if (!(await waiting(now())).some(({ id }) => ids.has(id))) return;
    },
  };
}
