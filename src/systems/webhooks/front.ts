import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { StewardError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import type { FromThread, Question, Questions, ThreadData, ToThread } from './messages.ts';

/** The receiver's thread, as the main thread has it. */
export interface Front {
  /** UNAVAILABLE where it does not answer in time; then only `settings` is asked until it does. */
  ask<Q extends Question>(what: Q, of: Questions[Q]['asked']): Promise<Questions[Q]['answer']>;
  tell(message: Exclude<ToThread, { is: 'asked' }>): void;
  /** How much of its time it needs, 0 to 1; since the last call. */
  load(): number;
  /** Ends it: what it has in hand is on disk before, unless it does not answer any more. */
  end(): Promise<void>;
}

export interface FrontTimes {
  /** So long an answer may take. */
  readonly answerMs: number;
  /** So long it may take to end. */
  readonly endMs: number;
}

export interface FrontDeps {
  /** What the thread begins with. */
  readonly script: URL;
  readonly data: ThreadData;
  readonly onWrote: (segment: number, size: number) => void;
  readonly onSealed: (segment: number) => void;
  /** It ended, and nobody had asked it to. */
  readonly onLost: (reason: string) => void;
  readonly log: Log;
  readonly times: FrontTimes;
}

/** As in bin/steward.js: each thread compiles its code anew otherwise. */
const COMPILED = join(import.meta.dirname, '../../../node_modules/.cache/steward-compiled');
/** Most of what a request needs is over with the request. */
const YOUNG_MB = 32;

export function startFront({ script, data, onWrote, onSealed, onLost, log, times }: FrontDeps): Front {
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
  /** It may hang in the disk, where nobody can wake it. */
  let silent = false;
  let utilization = worker.performance.eventLoopUtilization();

  worker.on('message', (message: FromThread) => {
    silent = false;
    if (message.is === 'wrote') onWrote(message.segment, message.size);
    else if (message.is === 'sealed') onSealed(message.segment);
    else if (message.is === 'log') log[message.level](message.message, message.fields);
    else {
      const asked = asking.get(message.number);
      asking.delete(message.number);
      clearTimeout(asked?.late);
      if (message.is === 'answered') asked?.resolve(message.answer as never);
      else asked?.reject(new StewardError('INTERNAL', message.reason));
    }
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
  const lost = (): StewardError => new StewardError('INTERNAL', `The receiver of webhooks is not there: ${reason}.`);

  const unanswered = (): StewardError =>
    new StewardError('UNAVAILABLE', `The receiver of webhooks does not answer within ${times.answerMs / 1_000} s.`, {
      hint: 'Its thread waits for the disk most probably: look at the disk of the data folder.',
    });

  const ask: Front['ask'] = (what, of) => {
    const { promise, resolve, reject } = Promise.withResolvers<Questions[typeof what]['answer']>();
    if (gone) reject(lost());
    else if (silent && what !== 'settings') reject(unanswered());
    else {
      const asked = (number += 1);
      const late = setTimeout(() => {
        asking.delete(asked);
        silent = true;
        reject(unanswered());
      }, times.answerMs);
      asking.set(asked, { resolve, reject, late });
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin
      worker.postMessage({ is: 'asked', number: asked, what, of } satisfies ToThread);
    }
    return promise;
  };

  return {
    ask,
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin
    tell: (message) => worker.postMessage(message),
    load() {
      const now = worker.performance.eventLoopUtilization();
      const { utilization: since } = worker.performance.eventLoopUtilization(now, utilization);
      utilization = now;
      return since;
    },
    async end() {
      ending = true;
      await ask('stop', null).catch(() => undefined);
      await endWithin(worker, times.endMs, log);
    },
  };
}

interface Asked {
  readonly resolve: (answer: never) => void;
  readonly reject: (why: Error) => void;
  readonly late: NodeJS.Timeout;
}

/** A thread that the disk holds does not end, and Node waits for its threads before it exits: then nothing but a kill ends the process. */
async function endWithin(worker: Worker, milliseconds: number, log: Log): Promise<void> {
  const { promise: late, resolve } = Promise.withResolvers<'late'>();
  const timer = setTimeout(() => resolve('late'), milliseconds);
  const outcome = await Promise.race([worker.terminate(), late]);
  clearTimeout(timer);
  if (outcome !== 'late') return;
  log.error('the thread that receives webhooks does not end: it waits for the disk', {});
  const kill = (): void => void process.kill(process.pid, 'SIGKILL');
  process.once('exit', kill);
  worker.once('exit', () => process.off('exit', kill));
  worker.unref();
}
