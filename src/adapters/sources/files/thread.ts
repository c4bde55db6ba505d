import { once } from 'node:events';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { GO_ON, TAKEN, type ThreadData } from './thread-data.ts';

export interface Thread<Message> {
  readonly messages: AsyncGenerator<Message>;
  /** Lets it pass the point at which it waits. */
  goOn(): void;
}

/** Each thread compiles its code anew otherwise, which takes twice as long as all else of its start. As in bin/steward.js. */
const COMPILED = join(import.meta.dirname, '../../../../node_modules/.cache/steward-compiled');

/** Looks at files in a thread of its own, so that a slow disk holds nobody up. Ends with its messages, or when it is aborted. */
export function startThread<Message>(script: string, job: unknown, signal: AbortSignal): Thread<Message> {
  const state = new Int32Array(new SharedArrayBuffer(8));
  return {
    messages: messagesOf(script, { job, state }, signal),
    goOn() {
      Atomics.store(state, GO_ON, 1);
      Atomics.notify(state, GO_ON);
    },
  };
}

async function* messagesOf<Message>(script: string, data: ThreadData, signal: AbortSignal): AsyncGenerator<Message> {
  signal.throwIfAborted();
  const worker = new Worker(new URL(script, import.meta.url), {
    workerData: data,
    execArgv: [],
    // It needs nothing else of the environment.
    env: { NODE_COMPILE_CACHE: COMPILED },
  });
  const waiting: Message[] = [];
  let ended = false;
  let failed: Error | undefined;
  let wake = (): void => undefined;
  const woken = (): Promise<void> => new Promise((resolve) => (wake = resolve));
  worker.on('message', (message: Message) => {
    waiting.push(message);
    wake();
  });
  worker.on('error', (thrown) => {
    failed = thrown instanceof Error ? thrown : new Error(String(thrown));
    wake();
  });
  worker.on('exit', () => {
    ended = true;
    wake();
  });
  const abort = (): void => wake();
  signal.addEventListener('abort', abort, { once: true });
  try {
    for (;;) {
      signal.throwIfAborted();
      const next = waiting.shift();
      if (next) {
        Atomics.add(data.state, TAKEN, 1);
        Atomics.notify(data.state, TAKEN);
        yield next;
      } else if (failed) throw failed;
      else if (ended) return;
      else await woken();
    }
  } finally {
    signal.removeEventListener('abort', abort);
    if (!ended) {
      const exited = once(worker, 'exit');
      await worker.terminate();
      await exited.catch(() => undefined);
    }
  }
}
