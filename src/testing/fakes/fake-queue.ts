import type { QueuePort, Undelivered, Waiting } from '../../core/ports/queue.ts';

export interface FakeQueue extends QueuePort {
  put(waiting: Waiting): void;
  fallBehind(consumer: Undelivered): void;
  /** What waits cannot be begun from now on. */
  stick(): void;
}

export function fakeQueue(): FakeQueue {
  let all: Waiting[] = [];
  const undelivered: Undelivered[] = [];
  let stuck = false;
  return {
    put: (waiting) => void all.push(waiting),
    fallBehind: (consumer) => void undelivered.push(consumer),
    stick: () => void (stuck = true),
    waiting: async (before) => all.filter(({ since }) => new Date(since) < before),
    undelivered: async () => [...undelivered],
    async begin() {
      if (!stuck) all = [];
    },
  };
}
