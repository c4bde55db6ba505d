import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { Worker } from 'node:worker_threads';
import { StewardError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import { type Askable, type AskedOfThread, BEAT, isSaid, type Note, type SaidByThread } from './thread-messages.ts';
import { isInLoop } from './thread-pulse.ts';

/** A thread of a system, as the main thread has it. */
export interface Thread<Q extends Askable<Q>, ToThread extends Note = never> {
  /** UNAVAILABLE where it does not answer in time; then nothing is asked until it does, but what is asked anyway. */
  ask<K extends keyof Q & string>(what: K, of: Q[K]['asked'], how?: Asking): Promise<Q[K]['answer']>;
  tell(note: ToThread): void;
  /** How much of its time it needs, 0 to 1; since the last call. */
  load(): number;
  /** Ends it: it is asked to `stop` before, unless it does not answer any more. */
  end(how?: Asking): Promise<void>;
}

interface Asking {
  /** So much longer than usual it may take. */
  readonly moreMs?: number;
  readonly anyway?: boolean;
}

export interface ThreadTimes {
  /** So long an answer may take. */
  readonly answerMs: number;
  /** So much longer the first one may: a machine that is busy takes a while to load its code. */
  readonly beginMs: number;
  /** So long it may take to end. */
  readonly endMs: number;
}

/** In what is said of it. */
export interface ThreadName {
  /** 'receiver of webhooks'. */
  readonly called: string;
  /** What to do where it does not answer. */
  readonly hint: string;
}

export interface ThreadDeps<FromThread extends Note> {
  readonly name: ThreadName;
  /** Its program. */
  readonly script: URL;
  /** What it begins with. */
  readonly data: unknown;
  readonly onNote: (note: FromThread) => void;
  /** It ended, and nobody had asked it to; or it was ended because its code ran without an end. */
  readonly onLost: (reason: string) => void;
  readonly log: Log;
  readonly times: ThreadTimes;
}

/** As in bin/steward.js: each thread compiles its code anew otherwise. */
const COMPILED = join(import.meta.dirname, '../../node_modules/.cache/steward-compiled');
/** Most of what a request needs is over with the request. */
const YOUNG_MB = 32;

export function startThread<Q extends Askable<Q>, ToThread extends Note = never, FromThread extends Note = never>({
  name: { called, hint },
  script,
  data,
  onNote,
  onLost,
  log,
  times,
}: ThreadDeps<FromThread>): Thread<Q, ToThread> {
  letHeapsDiffer();
  const worker = new Worker(script, {
    workerData: data,
    execArgv: [],
    // It needs nothing else of the environment, and what it may know of secrets comes with its settings.
    env: { NODE_COMPILE_CACHE: COMPILED },
    resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MB },
  });
  const asking = new Map<number, Asked>();
  let number = 0;
  let ending = false;
  let reason = 'it ended';
  let gone = false;
  /** It may hang in the disk, where nobody can wake it, or run without an end. */
  let silent = false;
  let judging = false;
  let heard = false;
  let utilization = worker.performance.eventLoopUtilization();

  worker.on('message', (message: SaidByThread | FromThread) => {
    silent = false;
    heard = true;
    if (!isSaid(message)) return onNote(message);
    if (message.is === 'log') return log[message.level](message.message, message.fields);
    const asked = asking.get(message.number);
    asking.delete(message.number);
    clearTimeout(asked?.late);
    if (message.is === 'answered') asked?.resolve(message.answer as never);
    else asked?.reject(new StewardError('INTERNAL', message.reason));
  });
  worker.on('error', (thrown) => (reason = StewardError.from(thrown).message));
  worker.on('exit', () => {
    gone = true;
    for (const { reject, late } of asking.values()) {
      clearTimeout(late);
      reject(lost());
    }
    asking.clear();
    if (!ending) onLost(reason);
  });
  const lost = (): StewardError => new StewardError('INTERNAL', `The ${called} is not there: ${reason}.`);

  const unanswered = (ms: number): StewardError =>
    new StewardError('UNAVAILABLE', `The ${called} does not answer within ${ms / 1_000} s.`, { hint });

  const ask: Thread<Q, ToThread>['ask'] = (what, of, { moreMs = 0, anyway = false } = {}) => {
    const { promise, resolve, reject } = Promise.withResolvers<Q[typeof what]['answer']>();
    const ms = times.answerMs + moreMs + (heard ? 0 : times.beginMs);
    if (gone) reject(lost());
    else if (silent && !anyway) reject(unanswered(ms));
    else {
      const asked = (number += 1);
      const late = setTimeout(() => {
        asking.delete(asked);
        silent = true;
        reject(unanswered(ms));
        void judge();
      }, ms);
      asking.set(asked, { resolve, reject, late });
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin
      worker.postMessage({ is: 'asked', number: asked, what, of } satisfies AskedOfThread);
    }
    return promise;
  };

  const askAny = ask as (what: string, of: null, how?: Asking) => Promise<unknown>;

  async function judge(): Promise<void> {
    if (judging) return;
    judging = true;
    const inLoop = await isInLoop(worker, () => askAny(BEAT, null, { anyway: true }));
    judging = false;
    if (!inLoop || gone || ending) return;
    reason = 'its code ran without an end, so it was ended';
    await worker.terminate();
  }

  return {
    ask,
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin
    tell: (note) => worker.postMessage(note),
    load() {
      const now = worker.performance.eventLoopUtilization();
      const { utilization: since } = worker.performance.eventLoopUtilization(now, utilization);
      utilization = now;
      return since;
    },
    async end(how) {
      ending = true;
      await askAny('stop', null, how).catch(() => undefined);
      await endWithin(worker, { called, ms: times.endMs, log });
    },
  };
}

/**
 * What bin/steward.js says of the main thread's heap goes before what a thread asks for. That heap has begun as it was said; without it
 * each thread has its own.
 */
function letHeapsDiffer(): void {
  setFlagsFromString('--max-semi-space-size=0');
}

interface Asked {
  readonly resolve: (answer: never) => void;
  readonly reject: (why: Error) => void;
  readonly late: NodeJS.Timeout;
}

/** A thread that the disk holds does not end, and Node waits for its threads before it exits: then nothing but a kill ends the process. */
async function endWithin(
  worker: Worker,
  { called, ms, log }: { readonly called: string; readonly ms: number; readonly log: Log },
): Promise<void> {
  const { promise: late, resolve } = Promise.withResolvers<'late'>();
  const timer = setTimeout(() => resolve('late'), ms);
  const outcome = await Promise.race([worker.terminate(), late]);
  clearTimeout(timer);
  if (outcome !== 'late') return;
  log.error('a thread does not end: it waits for the disk', { thread: called });
  const kill = (): void => void process.kill(process.pid, 'SIGKILL');
  process.once('exit', kill);
  worker.once('exit', () => process.off('exit', kill));
  worker.unref();
}
