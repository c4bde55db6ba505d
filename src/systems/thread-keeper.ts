import type { Log } from '../core/log.ts';
import { type Problem, problemOf, type SayProblems, wordsOfProblems } from './problems.ts';
import type { ThreadTimes } from './thread.ts';

/** Keeps a thread that listens as long as there is something to listen for: by the settings as they are, and anew where it ended. */
export interface ThreadKeeper<T> {
  thread(): T | undefined;
  /** Where it listens. */
  url(): string | undefined;
  /** Why it does not, or not as configured. */
  problem(): string | undefined;
  /** Settings may be others. */
  look(): Promise<void>;
  start(): Promise<void>;
  stop(): Promise<void>;
}

export interface KeeperTimes extends ThreadTimes {
  /** Settings are read again, secrets may have changed in place. */
  readonly refreshMs: number;
  /** Before a thread that ended is begun anew; doubles each time. */
  readonly firstPauseMs: number;
  readonly longestPauseMs: number;
  /** So long all is well before it counts as well. */
  readonly steadyMs: number;
}

/** What came of giving it the settings. */
export interface Followed {
  readonly url?: string | undefined;
  readonly problems: readonly Problem[];
}

export interface ThreadKeeperDeps<T, S> {
  /** In the log. */
  readonly called: string;
  /** Nothing where there is nothing to listen for. */
  readonly settings: () => Promise<S | undefined>;
  /** Begins the thread. */
  readonly begin: (settings: S, onLost: (reason: string) => void) => T;
  /** Gives it the settings. Rejects where it does not answer, or can do nothing at all. */
  readonly follow: (thread: T, settings: S) => Promise<Followed>;
  readonly end: (thread: T) => Promise<void>;
  /** Sees to what a thread that is not there any more has left. */
  readonly left?: () => Promise<void>;
  readonly onSettings: (listener: () => void) => () => void;
  readonly say: SayProblems;
  readonly log: Log;
  readonly times?: KeeperTimes;
}

export const KEEPER_TIMES: KeeperTimes = {
  answerMs: 10_000,
  beginMs: 10_000,
  endMs: 2_000,
  refreshMs: 10_000,
  firstPauseMs: 1_000,
  longestPauseMs: 30_000,
  steadyMs: 60_000,
};

export function keepThread<T, S>(deps: ThreadKeeperDeps<T, S>): ThreadKeeper<T> {
  const { called, settings, say, log, times = KEEPER_TIMES, left = () => Promise.resolve() } = deps;
  let thread: T | undefined;
  let url: string | undefined;
  let problems: readonly Problem[] = [];
  /** It ended, or did not answer. */
  let troubledAt = -Infinity;
  /** How often it ended since all was well. */
  let losses = 0;
  let resting: NodeJS.Timeout | undefined;
  let stopping = false;
  let refreshing: NodeJS.Timeout | undefined;
  let unsubscribe: (() => void) | undefined;
  let following: Promise<void> = Promise.resolve();
  let soon = false;

  function onLost(reason: string): void {
    thread = undefined;
    url = undefined;
    losses += 1;
    const pauseMs = Math.min(times.firstPauseMs * 2 ** Math.min(losses - 1, 20), times.longestPauseMs);
    log.error('a thread ended and is begun anew', { thread: called, reason, inSeconds: pauseMs / 1_000 });
    fail({ message: `The ${called} ended: ${reason}.`, severity: 'critical' });
    resting = setTimeout(() => {
      resting = undefined;
      void followSoon();
    }, pauseMs);
    say(problems);
  }

  function fail(problem: Problem): void {
    problems = [problem];
    troubledAt = performance.now();
  }

  async function end(): Promise<void> {
    const ending = thread;
    thread = undefined;
    url = undefined;
    if (ending === undefined) return;
    await deps.end(ending);
    await left();
  }

  async function follow(): Promise<readonly Problem[]> {
    const wanted = await settings();
    if (stopping) return [];
    if (wanted === undefined) {
      await end();
      return [];
    }
    if (thread === undefined) {
      await left();
      if (stopping) return [];
      thread = deps.begin(wanted, onLost);
    }
    const followed = await deps.follow(thread, wanted);
    url = followed.url;
    return followed.problems;
  }

  /** One after the other; what does not go is tried again, and keeps nothing else of Steward from running. */
  function followSoon(): Promise<void> {
    if (stopping || resting || soon) return following;
    soon = true;
    following = following.then(async () => {
      soon = false;
      try {
        problems = await follow();
      } catch (thrown) {
        if (!resting) fail(problemOf(thrown));
      }
      if (problems.length > 0) return say(problems);
      if (performance.now() - troubledAt <= times.steadyMs) return;
      losses = 0;
      say([]);
    });
    return following;
  }

  return {
    thread: () => thread,
    url: () => url,
    problem: () => wordsOfProblems(problems),
    look: followSoon,
    async start() {
      unsubscribe = deps.onSettings(() => void followSoon());
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
