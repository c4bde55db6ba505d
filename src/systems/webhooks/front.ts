import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { StewardError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import type { FromThread, Question, Questions, ThreadData, ToThread } from './messages.ts';

/** The receiver's thread, as the main thread has it. */
export interface Front {
  ask<Q extends Question>(what: Q, of: Questions[Q]['asked']): Promise<Questions[Q]['answer']>;
  tell(message: Exclude<ToThread, { is: 'asked' }>): void;
  /** Whether it has little time left; since the last call. */
  isBusy(): boolean;
  /** Ends it as it is; whatever it has answered is on disk. */
  end(): Promise<void>;
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
}

/** As in bin/steward.js: each thread compiles its code anew otherwise. */
const COMPILED = join(import.meta.dirname, '../../../node_modules/.cache/steward-compiled');
/** Most of what a request needs is over with the request. */
const YOUNG_MB = 32;
const BUSY = 0.4;

export function startFront({ script, data, onWrote, onSealed, onLost, log }: FrontDeps): Front {
  const worker = new Worker(script, {
    workerData: data,
    execArgv: [],
    // It needs nothing else of the environment, and what it may know of secrets comes with its settings.
    env: { NODE_COMPILE_CACHE: COMPILED },
    resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MB },
  });
  const asking = new Map<
    number,
    { readonly resolve: (answer: never) => void; readonly reject: (why: Error) => void }
  >();
  let number = 0;
  let ending = false;
  let reason = 'it ended';
  let gone = false;
  let utilization = worker.performance.eventLoopUtilization();

  worker.on('message', (message: FromThread) => {
    if (message.is === 'wrote') onWrote(message.segment, message.size);
    else if (message.is === 'sealed') onSealed(message.segment);
    else if (message.is === 'log') log[message.level](message.message, message.fields);
    else {
      const asked = asking.get(message.number);
      asking.delete(message.number);
      if (message.is === 'answered') asked?.resolve(message.answer as never);
      else asked?.reject(new StewardError('INTERNAL', message.reason));
    }
  });
  worker.on('error', (thrown) => (reason = StewardError.from(thrown).message));
  worker.on('exit', () => {
    gone = true;
    for (const { reject } of asking.values()) reject(lost());
    asking.clear();
    if (!ending) onLost(reason);
  });
  const lost = (): StewardError => new StewardError('INTERNAL', `The receiver of webhooks is not there: ${reason}.`);

  return {
    ask(what, of) {
      const { promise, resolve, reject } = Promise.withResolvers<Questions[typeof what]['answer']>();
      if (gone) reject(lost());
      else {
        asking.set((number += 1), { resolve, reject });
        // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin
        worker.postMessage({ is: 'asked', number, what, of } satisfies ToThread);
      }
      return promise;
    },
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin
    tell: (message) => worker.postMessage(message),
    isBusy() {
      const now = worker.performance.eventLoopUtilization();
      const { utilization: since } = worker.performance.eventLoopUtilization(now, utilization);
      utilization = now;
      return since > BUSY;
    },
    async end() {
      ending = true;
      await worker.terminate();
    },
  };
}
