import { parentPort, workerData } from 'node:worker_threads';
import { GO_ON, TAKEN, type ThreadData } from './thread-data.ts';

const AHEAD = 32;
const { state } = workerData as ThreadData<unknown>;
let sent = 0;

export function jobOf<Job>(): Job {
  return (workerData as ThreadData<Job>).job;
}

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
