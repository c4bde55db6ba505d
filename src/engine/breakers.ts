import { randomUUID } from 'node:crypto';
import type { Transaction } from 'kysely';
import { BREAKER, blames, type BreakerOptions, breakerOpen, type Breakers, type Outcome } from '../core/breaker.ts';
import { StewardError } from '../core/errors.ts';
import type { EventType } from '../core/event.ts';
import type { Log } from '../core/log.ts';
import { redactText } from '../core/redact.ts';
import { fallback } from '../safeguards/fallback.ts';
import type { Store } from '../store/store.ts';
import {
  type BreakerRow,
  type BreakerTables,
  type BreakerTrx,
  CLOSED,
  forgetBreakers,
  lockBreaker,
  setBreaker,
  toBreaker,
} from './breakers-rows.ts';

/** Longer than any call that is guarded; whoever probes and is not back by then has died. */
const PROBE_MS = 120_000;
const KEEP_MS = 7 * 86_400_000;

export type Verdict =
  | { readonly good: true }
  | { readonly good: false; readonly error: string }
  | { readonly good: undefined };

/** The halves of `around`, for work that begins in one place and ends in another. Each in a transaction of whoever tells of it. */
export interface BreakerDesk extends Breakers {
  /** BREAKER_OPEN where nobody is let through now. True where who comes next is the probe, and has to be admitted. */
  wantsProbe(name: string): Promise<boolean>;
  /** `holder` is the one probe, until it settles or its time is over; BREAKER_OPEN where another was faster. */
  // oxlint-disable-next-line typescript/no-explicit-any -- any system's tables will do
  admit(trx: Transaction<any>, name: string, holder: string, probeMs?: number): Promise<void>;
  /** What came of it. `good: undefined`: nothing was learned. */
  // oxlint-disable-next-line typescript/no-explicit-any -- any system's tables will do
  settle(trx: Transaction<any>, name: string, holder: string, verdict: Verdict): Promise<void>;
}

export function createBreakers({
  store,
  now,
  log,
  nodeId,
}: {
  store: Store;
  now: () => Date;
  log: Log;
  nodeId: string;
}): BreakerDesk {
  const db = store.db.withTables<BreakerTables>();
  const after = (ms: number): Date => new Date(now().getTime() + ms);

  async function wantsProbe(name: string): Promise<boolean> {
    const known = await db.selectFrom('breakers').selectAll().where('name', '=', name).executeTakeFirst();
    if (!known || known.state === 'closed') return false;
    if (!mayProbe(known)) throw refused(known);
    return true;
  }

  async function admit(trx: BreakerTrx, name: string, holder: string, probeMs = PROBE_MS): Promise<void> {
    // Of all who found it due at the same moment one gets here first; the others find it half-open.
    const row = await lockBreaker(trx, name, now());
    if (row.state === 'closed') return;
    if (!mayProbe(row)) throw refused(row);
    await setBreaker(trx, name, { state: 'half-open', probe: holder, probe_until: after(probeMs), changed_at: now() });
  }

  function mayProbe({ state, tries_at: tries, probe_until: until }: BreakerRow): boolean {
    return state === 'open' ? tries === null || tries <= now() : until === null || until <= now();
  }

  const refused = (row: BreakerRow): StewardError => breakerOpen(row.name, toBreaker(row), now());

  async function enter(name: string, holder: string): Promise<void> {
    try {
      if (await wantsProbe(name)) await db.transaction().execute((trx) => admit(trx, name, holder));
    } catch (thrown) {
      throw notAgain(StewardError.from(thrown));
    }
  }

  async function settle(trx: BreakerTrx, name: string, holder: string, verdict: Verdict): Promise<void> {
    const before = await trx.selectFrom('breakers').selectAll().where('name', '=', name).executeTakeFirst();
    const untouched = !before || (before.state === 'closed' && before.failures === 0);
    if (untouched && verdict.good !== false) return;
    const row = await lockBreaker(trx, name, now());
    const probing = row.state === 'half-open' && row.probe === holder;
    const changed = { changed_at: now() };
    if (verdict.good === undefined) {
      // Nothing was learned, so the next one may try at once.
      if (probing)
        await setBreaker(trx, name, { state: 'open', tries_at: now(), probe: null, probe_until: null, ...changed });
    } else if (verdict.good) {
      // Of what began before it opened nothing is learned about now.
      if (row.state !== 'closed' && !probing) return;
      const closed = await setBreaker(trx, name, { ...CLOSED, ...changed });
      if (probing) await tell(trx, 'breaker.closed', closed, { by: 'probe' });
    } else {
      await failed(trx, row, probing, redactText(verdict.error).slice(0, 500));
    }
  }

  async function failed(trx: BreakerTrx, row: BreakerRow, probing: boolean, error: string): Promise<void> {
    const { name } = row;
    if (row.state !== 'closed' && !probing) return;
    const failures = row.failures + 1;
    const patch = { failures, last_error: error, changed_at: now() };
    if (row.state === 'closed' && failures < BREAKER.failures) return void (await setBreaker(trx, name, patch));
    const opened = await setBreaker(trx, name, {
      ...patch,
      state: 'open',
      opened_at: row.opened_at ?? now(),
      tries_at: after(BREAKER.openMs),
      probe: null,
      probe_until: null,
    });
    if (row.state !== 'closed') return;
    log.warn('circuit breaker opened', { breaker: name, failures, reason: error });
    await tell(trx, 'breaker.opened', opened, { failures, triesAt: after(BREAKER.openMs).toISOString(), error });
    await forgetBreakers(trx, after(-KEEP_MS));
  }

  async function tell(
    trx: BreakerTrx,
    type: Extract<EventType, 'breaker.opened' | 'breaker.closed'>,
    { name }: BreakerRow,
    data: Record<string, string | number>,
  ): Promise<void> {
    await store.events.append(trx, {
      type,
      subject: { kind: 'breaker', id: name },
      data: { name, ...data },
      node: nodeId,
    });
  }

  return {
    wantsProbe,
    admit,
    settle,

    async around<T>(name: string, work: () => Promise<T>, { isFailure = failedByError }: BreakerOptions<T> = {}) {
      const holder = randomUUID();
      await fallback(
        () => enter(name, holder),
        // A breaker that cannot be asked must not stop what it guards.
        () => undefined,
        { log, what: 'circuit breaker', when: ({ code }) => code === 'STORE_UNAVAILABLE' },
      );
      let outcome: Outcome<T>;
      try {
        outcome = { value: await work() };
      } catch (thrown) {
        outcome = { error: StewardError.from(thrown) };
      }
      const verdict = verdictOn(outcome, isFailure(outcome));
      await db
        .transaction()
        .execute((trx) => settle(trx, name, holder, verdict))
        .catch((thrown: unknown) =>
          log.warn('outcome not counted by its circuit breaker', {
            breaker: name,
            reason: StewardError.from(thrown).message,
          }),
        );
      if ('error' in outcome) throw outcome.error;
      return outcome.value;
    },

    async list() {
      const rows = await db
        .selectFrom('breakers')
        .selectAll()
        .orderBy((order) => order.case().when('state', '=', 'closed').then(1).else(0).end())
        .orderBy('changed_at', 'desc')
        .limit(500)
        .execute();
      return rows.map(toBreaker);
    },

    async reset(name) {
      return await db.transaction().execute(async (trx) => {
        const row = await trx
          .selectFrom('breakers')
          .selectAll()
          .where('name', '=', name)
          .forUpdate()
          .executeTakeFirst();
        if (!row)
          throw new StewardError('NOT_FOUND', `No circuit breaker is called '${name}', or it never saw a failure.`, {
            hint: 'See steward breakers.',
          });
        const closed = await setBreaker(trx, name, { ...CLOSED, changed_at: now() });
        if (row.state !== 'closed') await tell(trx, 'breaker.closed', closed, { by: 'reset' });
        return toBreaker(closed);
      });
    },
  };
}

/** Whoever tries a failed call again leaves this one alone: it was not made, and will not be until the breaker says so. */
function notAgain(error: StewardError): StewardError {
  const { code, message, hint, retryAfterMs } = error;
  if (code !== 'BREAKER_OPEN') return error;
  return new StewardError(code, message, { hint, retryAfterMs, cause: error, retryable: false });
}

function failedByError(outcome: Outcome<unknown>): boolean {
  return 'error' in outcome && blames(outcome.error.code);
}

function verdictOn(outcome: Outcome<unknown>, failed: boolean): Verdict {
  if (failed) return { good: false, error: 'error' in outcome ? outcome.error.message : 'the answer was a failure' };
  // Refused or canceled on this side: the other one was not asked.
  return 'error' in outcome ? { good: undefined } : { good: true };
}
