import type { Fault } from '../fault.ts';
import { CACHE } from '../stack.ts';
import { healedBy, started } from '../story.ts';

/** Something is used up, or in the way of everybody; the processes themselves are well. */
export const RESOURCE_FAULTS: readonly Fault[] = [
  {
    name: 'database-locked',
    title:
      'A forgotten session of ledger locks the table that ledger and invoices book in, and idles in its transaction.',
    services: ['db'],
    bystanders: ['ledger', 'invoices'],
    expect: 'healed',
    expected: 'waits for it to end, then ends that session; neither PostgreSQL nor those who wait are restarted',
    attempts: [2, 2],
    inject: (stage) => stage.misbehave('ledger', { kind: 'hold-lock' }),
    further: (story) => [healedBy(story, 'end-blocking-session'), started(story, 'db', 0)],
  },
  {
    name: 'disk-full',
    title: 'builder fills its disk with packages until nothing can be written any more.',
    services: ['builder'],
    needs: ['root', 'npm'],
    expect: 'healed',
    expected: 'the cache on that disk is emptied, and builder is not restarted',
    inject: (stage) => stage.misbehave('builder', { kind: 'fill-disk', folder: `${CACHE}/_cacache` }),
    further: (story) => [healedBy(story, 'clear-caches'), started(story, 'builder', 0)],
  },
  {
    name: 'memory-high',
    title: 'images leaks until it holds 94 % of the memory that its container may have.',
    services: ['images'],
    expect: 'healed',
    expected: 'memory is asked back first, then it is restarted before the kernel kills it',
    attempts: [2, 2],
    inject: (stage) => stage.misbehave('images', { kind: 'hold-memory', percent: 94 }),
    further: (story) => [
      healedBy(story, 'restart-service'),
      started(story, 'images', 1),
      {
        name: 'the kernel did not kill images',
        ok: !story.containers.some(({ action }) => action === 'oom'),
        evidence: story.containers.map(({ action }) => action).join(', '),
      },
    ],
  },
];
