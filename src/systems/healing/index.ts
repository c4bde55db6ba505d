import { setTimeout as sleep } from 'node:timers/promises';
import { ms } from '../../core/duration.ts';
import { StewardError } from '../../core/errors.ts';
import type { RestartCounts } from '../../core/health-report.ts';
import type { System } from '../../core/system.ts';
import type { EventConsumer } from '../../store/event-consumer.ts';
import type { Store } from '../../store/store.ts';
import { createAttempts } from './attempts.ts';
import { lookOnce } from './healer.ts';
import type { HealerDeps } from './healer-deps.ts';
import { limitOver } from './limit.ts';
import { healingOperations, healingStats, type HealingStats, restartsOf } from './operations.ts';
import { runbookOperations, type RunbookProblems } from './operations-runbooks.ts';
import { createLedger } from './record.ts';
import { healingUpkeep } from './upkeep.ts';

export { healingMigrations } from './tables.ts';

export interface HealingDeps extends Omit<HealerDeps, 'attempts' | 'ledger'> {
  readonly store: Store;
  /** Files of runbooks that are not in force, and why. */
  readonly runbookProblems?: RunbookProblems | undefined;
  /** How long attempts are kept: as long as incidents. */
  readonly keepMs?: () => number;
}

export interface Healing {
  stats(): Promise<HealingStats>;
  /** Restarts since then that have ended, for each of these resources that had any. */
  restarts(resourceIds: readonly string[], since: Date): Promise<ReadonlyMap<string, RestartCounts>>;
  /** One look at everything, now. */
  look(signal: AbortSignal): Promise<Date | undefined>;
}

const AT_MOST_EVERY_MS = 100;
const KEEP_MS = 365 * 86_400_000;

/** Ends troubles by runbooks, within a budget, learns what helps, and knows when to call a person. */
export function createHealing(deps: HealingDeps): System & Healing {
  const { store, node, now, log, settings } = deps;
  const attempts = createAttempts(deps);
  const ledger = createLedger(deps);
  let stopping = new AbortController();
  let consumer: EventConsumer | undefined;
  let loop: Promise<void> | undefined;
  let news = Promise.withResolvers<void>();

  async function look(signal: AbortSignal): Promise<Date | undefined> {
    const all = { ...deps, attempts, ledger };
    const due = await lookOnce(all, signal);
    await limitOver(all);
    return due;
  }

  async function lookAgainAndAgain(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      news = Promise.withResolvers();
      let due: Date | undefined;
      try {
        due = await look(signal);
      } catch (thrown) {
        const { code, message } = StewardError.from(thrown);
        if (!signal.aborted) log.warn('healing could not look and tries again', { code, reason: message });
      }
      const wait = Math.max(
        AT_MOST_EVERY_MS,
        Math.min(ms(settings().loop), due ? due.getTime() - now().getTime() : Number.POSITIVE_INFINITY),
      );
      const ended = new AbortController();
      await Promise.race([
        news.promise,
        sleep(wait, undefined, { signal: AbortSignal.any([signal, ended.signal]) }).catch(() => undefined),
      ]);
      ended.abort();
    }
  }

  return {
    name: 'healing',
    operations: [...healingOperations(deps), ...runbookOperations({ ...deps, ledger })],
    jobs: [healingUpkeep({ store, keepMs: deps.keepMs ?? (() => KEEP_MS) })],

    async start() {
      stopping = new AbortController();
      consumer = store.events.consume({
        consumer: `healing:${node.name}`,
        types: [
          'incident.opened',
          'incident.resolved',
          'service.down',
          'service.degraded',
          'run.finished',
          'run.waiting-approval',
          'maintenance.ended',
          'config.loaded',
        ],
        async handle({ type, subject, data, at }) {
          if (subject && type === 'service.down') await attempts.relapsed(subject.id, 'service.down', at);
          if (
            subject &&
            (type === 'service.down' || type === 'service.degraded') &&
            typeof data['problem'] === 'string'
          )
            await attempts.relapsed(subject.id, data['problem'], at);
          news.resolve();
        },
      });
      loop = lookAgainAndAgain(stopping.signal);
    },

    async stop() {
      stopping.abort();
      news.resolve();
      await Promise.all([consumer?.stop(), loop]);
    },

    look,
    stats: () => healingStats(store),
    restarts: (resourceIds, since) => restartsOf(store, resourceIds, since),
  };
}
