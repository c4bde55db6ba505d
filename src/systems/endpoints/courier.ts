import { StewardError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import type { WebhookSender } from '../../core/webhook-sender.ts';
import { createLines } from '../../store/lines.ts';
import type { createAccess } from './access.ts';
import type { Book } from './book.ts';
import type { Claim, Outcome, Queue } from './queue.ts';
import { ATTEMPTS, brakeAfter, IDLE_AFTER_MS, waitAfter } from './retry-plan.ts';
import type { EndpointRow } from './tables.ts';
import type { Trouble } from './trouble.ts';

export interface CourierDeps {
  readonly queue: Queue;
  readonly book: Book;
  readonly access: ReturnType<typeof createAccess>;
  readonly sender: WebhookSender;
  readonly trouble: Trouble;
  /** An endpoint that failed all this time is disabled. */
  readonly disableAfterMs: () => number;
  readonly random: () => number;
  readonly now: () => Date;
  readonly log: Log;
  readonly node: string;
}

/** After so many failures in a row it is the endpoint that fails, not what it was sent. */
const DOWN_AFTER = 3;
const GONE = 410;

interface Answer extends Outcome {
  readonly ok: boolean;
  readonly retryAfterMs?: number | undefined;
}

/** Brings what waits to its endpoints. Each has a line of its own, so one that hangs delays nobody else. */
export function createCourier(deps: CourierDeps) {
  const { queue, book, trouble, now, log, node, random } = deps;
  const { db } = queue;
  const lines = createLines({
    async work(id, signal) {
      for (let claim = await queue.claim(id, node); claim; claim = await queue.claim(id, node)) {
        await attempt(claim, signal);
        if (signal.aborted) return;
      }
    },
    onFailure: (endpoint, thrown) =>
      log.warn('deliveries could not be fetched for an endpoint', {
        endpoint,
        reason: StewardError.from(thrown).message,
      }),
  });

  async function attempt(claim: Claim, signal: AbortSignal): Promise<void> {
    const answer = await answered(claim, signal);
    if (signal.aborted && !answer.ok) return await queue.putBack(claim);
    const { delivery, endpoint } = claim;
    const said = { endpoint: endpoint.name, delivery: delivery.id, attempts: delivery.attempts };
    if (answer.ok) {
      log.debug('webhook delivered', { ...said, status: answer.status ?? 0 });
      return await taken(claim, answer);
    }
    log.warn('webhook not delivered', { ...said, reason: answer.said });
    await refused(claim, answer);
  }

  async function answered({ delivery, endpoint }: Claim, signal: AbortSignal): Promise<Answer> {
    try {
      const access = await deps.access(endpoint);
      const answer = await deps.sender.send({ ...access, id: delivery.id, body: delivery.body, signal });
      const { status, said } = answer;
      if (status >= 300 && status < 400)
        return { ok: false, status, said: 'It redirects, and redirects are not followed: give the final address.' };
      return { ...answer, ok: status >= 200 && status < 300, said };
    } catch (thrown) {
      const { message, hint } = StewardError.from(thrown);
      return { ok: false, said: hint === undefined ? message : `${message} ${hint}` };
    }
  }

  async function taken(claim: Claim, answer: Outcome): Promise<void> {
    const { id } = claim.endpoint;
    await db.transaction().execute(async (trx) => {
      const before = await queue.lock(trx, id);
      if (!(await queue.settle(trx, claim, answer, { state: 'delivered' }))) return;
      await trx
        .updateTable('webhook_endpoints')
        .set({ failures: 0, failing_since: null, not_before: null, last_success_at: now(), last_error: null })
        .where('id', '=', id)
        .execute();
      // It is back: what waits for a later hour need not.
      if (before && before.failures >= DOWN_AFTER)
        await trx
          .updateTable('endpoint_deliveries')
          .set({ next_at: now() })
          .where('endpoint_id', '=', id)
          .where('state', '=', 'pending')
          .where('next_at', '>', now())
          .where('claimed_by', 'is', null)
          .execute();
    });
  }

  async function refused(claim: Claim, answer: Answer): Promise<void> {
    const { delivery, endpoint } = claim;
    const wait = waitAfter(delivery.attempts, random);
    const reason = `${answer.status === undefined ? '' : `HTTP ${answer.status}: `}${answer.said}`.trim().slice(0, 500);
    const becomes = await db.transaction().execute(async (trx) => {
      const row = await queue.lock(trx, endpoint.id);
      if (!row) return 'settled';
      const failures = row.failures + 1;
      const since = failingSince(row);
      const brake = brakeAfter(failures, answer.retryAfterMs, random);
      const to =
        wait === undefined
          ? ({ state: 'failed' } as const)
          : { nextAt: new Date(now().getTime() + Math.max(wait, brake)) };
      if (!(await queue.settle(trx, claim, answer, to))) return 'settled';
      await trx
        .updateTable('webhook_endpoints')
        .set({
          failures,
          failing_since: since,
          last_failure_at: now(),
          last_error: reason,
          not_before: brake > 0 ? new Date(now().getTime() + brake) : null,
        })
        .where('id', '=', endpoint.id)
        .execute();
      const why = whyDisabled(answer, since);
      if (why === undefined) return wait === undefined ? 'given-up' : 'later';
      return (await book.disable(trx, endpoint.id, `${why} ${reason}`)) ? 'disabled' : 'later';
    });
    queue.wake();
    if (becomes === 'disabled') await trouble.disabled(endpoint, reason);
    if (becomes === 'given-up')
      await trouble.undelivered(endpoint, `A delivery was given up after ${ATTEMPTS} attempts. ${reason}`);
  }

  /** Idle time is not failing time. */
  function failingSince({ failing_since: since, last_failure_at: last }: EndpointRow): Date {
    return since && last && now().getTime() - last.getTime() < IDLE_AFTER_MS ? since : now();
  }

  function whyDisabled({ status }: Answer, since: Date): string | undefined {
    if (status === GONE) return 'Its receiver says that it is gone.';
    if (now().getTime() - since.getTime() < deps.disableAfterMs()) return undefined;
    return `It failed since ${since.toISOString()}.`;
  }

  return {
    /** Sets every idle line going; returns without waiting for any. */
    deliver: lines.go,
    idle: lines.idle,
  };
}
