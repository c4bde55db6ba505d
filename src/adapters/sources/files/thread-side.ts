import { parentPort, workerData } from 'node:worker_threads';
import { GO_ON, TAKEN, type ThreadData } from './thread-data.ts';

const AHEAD = 32;
const { job, state } = workerData as ThreadData;
let sent = 0;

/** What this thread was started for; the script knows its shape. */
export const ownJob: unknown = job;

/** Waits where nobody takes what was sent. */
export function send(message: object): void {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin
  parentPort?.postMessage(message);
  sent += 1;
  for (let seen = Atomics.load(state, TAKEN); sent - seen > AHEAD; seen = Atomics.load(state, TAKEN))
    Atomics.wait(state, TAKEN, seen);
}

/** Until whoever started it lets it go on. */
export function waitToGoOn(): void {
  Atomics.wait(state, GO_ON, 0);
}
