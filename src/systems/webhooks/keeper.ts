import type { Log } from '../../core/log.ts';
import { createProblems } from '../problems.ts';
import { KEEPER_TIMES, type KeeperTimes, keepThread, type ThreadKeeper } from '../thread-keeper.ts';
import type { Trouble } from '../trouble.ts';
import { type Front, RECEIVER, startFront } from './front.ts';
import type { Journal } from './journal.ts';
import type { ThreadSettings } from './messages.ts';

export type Keeper = ThreadKeeper<Front>;

export interface KeeperDeps {
  /** The program of the thread. */
  readonly script: URL;
  readonly folder: string;
  readonly journal: Journal;
  /** Nothing where there is nothing to receive. */
  readonly settings: () => Promise<ThreadSettings | undefined>;
  readonly onSettings: (listener: () => void) => () => void;
  readonly trouble: Trouble;
  readonly log: Log;
  readonly times?: KeeperTimes;
}

/** Keeps the receiver's thread as long as there is something to receive. */
export function createKeeper({
  script,
  folder,
  journal,
  settings,
  onSettings,
  trouble,
  log,
  times = KEEPER_TIMES,
}: KeeperDeps): Keeper {
  return keepThread<Front, ThreadSettings>({
    called: RECEIVER.called,
    settings,
    begin: (first, onLost) =>
      startFront({
        script,
        data: { folder, first: journal.next, before: journal.bytes(), settings: first },
        onWrote: journal.wrote,
        onSealed: journal.sealed,
        onLost,
        log,
        times,
      }),
    async follow(front, wanted) {
      const { url, problem } = await front.ask('settings', wanted, { anyway: true });
      return { url, problems: problem ? [{ message: problem.message, hint: problem.hint, severity: 'critical' }] : [] };
    },
    end: (front) => front.end(),
    left: () => journal.abandoned(),
    onSettings,
    say: createProblems({ system: 'webhooks', trouble, log }),
    log,
    times,
  });
}
