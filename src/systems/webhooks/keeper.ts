import { StewardError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import { type Front, type FrontTimes, startFront } from './front.ts';
import type { Journal } from './journal.ts';
import type { ThreadSettings } from './messages.ts';
import type { Trouble } from '../trouble.ts';

/** Keeps the receiver's thread as long as there is something to receive: by the settings as they are, and anew where it ended. */
export interface Keeper {
  front(): Front | undefined;
  /** Where webhooks are received. */
  url(): string | undefined;
  /** Why they are not received as configured. */
  problem(): string | undefined;
  start(): Promise<void>;
  stop(): Promise<void>;
}

export interface KeeperTimes extends FrontTimes {
  /** Settings are read again, secrets may have changed in place. */
  readonly refreshMs: number;
  /** Before a thread that ended is begun anew; doubles each time. */
  readonly firstPauseMs: number;
  readonly longestPauseMs: number;
  /** So long all is well before it counts as well. */
  readonly steadyMs: number;
}

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

const TIMES: KeeperTimes = {
  answerMs: 10_000,
  endMs: 2_000,
  refreshMs: 10_000,
  firstPauseMs: 1_000,
  longestPauseMs: 30_000,
  steadyMs: 60_000,
};

export function createKeeper({
  script,
  folder,
  journal,
  settings,
  onSettings,
  trouble,
  log,
  times = TIMES,
}: KeeperDeps): Keeper {
  let front: Front | undefined;
  let url: string | undefined;
  let problem: string | undefined;
  let troubledAt = -Infinity;
  /** How often it ended since all was well. */
  let losses = 0;
  let resting: NodeJS.Timeout | undefined;
  let stopping = false;
  let refreshing: NodeJS.Timeout | undefined;
  let unsubscribe: (() => void) | undefined;
  let following: Promise<void> = Promise.resolve();
  let soon = false;

  function begin(thread: ThreadSettings): Front {
    return startFront({
      script,
      data: { folder, first: journal.next, before: journal.bytes(), settings: thread },
      onWrote: journal.wrote,
      onSealed: journal.sealed,
      onLost,
      log,
      times,
    });
  }

  function onLost(reason: string): void {
    front = undefined;
    url = undefined;
    losses += 1;
    const pauseMs = Math.min(times.firstPauseMs * 2 ** Math.min(losses - 1, 20), times.longestPauseMs);
    log.error('the receiver of webhooks ended and is begun anew', { reason, inSeconds: pauseMs / 1_000 });
    fail(`The receiver of webhooks ended: ${reason}.`);
    resting = setTimeout(() => {
      resting = undefined;
      void followSoon();
    }, pauseMs);
    void trouble.tell(problem);
  }

  function fail(why: string): void {
    problem = why;
    troubledAt = performance.now();
  }

  async function end(): Promise<void> {
    const ending = front;
    front = undefined;
    url = undefined;
    if (!ending) return;
    await ending.end();
    await journal.abandoned();
  }

  async function follow(): Promise<void> {
    const wanted = await settings();
    if (stopping) return;
    if (!wanted) return await end();
    if (!front) {
      await journal.abandoned();
      if (stopping) return;
      front = begin(wanted);
    }
    const said = await front.ask('settings', wanted);
    url = said.url;
    if (said.problem) throw new StewardError(said.problem.code, said.problem.message, { hint: said.problem.hint });
  }

  /** One after the other; what does not go is tried again, and keeps nothing else of Steward from running. */
  function followSoon(): Promise<void> {
    if (stopping || resting || soon) return following;
    soon = true;
    following = following.then(async () => {
      soon = false;
      try {
        await follow();
        problem = undefined;
      } catch (thrown) {
        const { code, message, hint } = StewardError.from(thrown);
        if (message !== problem && !resting)
          log.error('webhooks are not received as configured', { code, reason: message, ...(hint && { hint }) });
        fail(message);
      }
      if (problem !== undefined) return await trouble.tell(problem);
      if (performance.now() - troubledAt <= times.steadyMs) return;
      losses = 0;
      await trouble.tell(undefined);
    });
    return following;
  }

  return {
    front: () => front,
    url: () => url,
    problem: () => problem,
    async start() {
      unsubscribe = onSettings(() => void followSoon());
      refreshing = setInterval(() => void followSoon(), times.refreshMs);
      refreshing.unref();
      await followSoon();
    },
    async stop() {
      stopping = true;
      clearInterval(refreshing);
      clearTimeout(resting);
      unsubscribe?.();
      await end();
      await following;
    },
  };
}
