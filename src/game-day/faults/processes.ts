import type { Fault } from '../fault.ts';
import { healedBy, started } from '../story.ts';

const RESTARTED = 'restarted once, proven, and the incident closed without a person';

/** The process itself goes away, or is there and does nothing. */
export const PROCESS_FAULTS: readonly Fault[] = [
  {
    name: 'killed',
    title: 'The main process of web is killed with signal 9.',
    services: ['web'],
    expect: 'healed',
    expected: RESTARTED,
    inject: (stage) => stage.signal('web', 'SIGKILL'),
  },
  {
    name: 'exits-with-error',
    title: 'api ends by itself with exit code 1.',
    services: ['api'],
    expect: 'healed',
    expected: RESTARTED,
    inject: (stage) => stage.misbehave('api', { kind: 'exit', code: 1 }),
  },
  {
    name: 'out-of-memory',
    title: 'worker asks for memory until the kernel kills it.',
    services: ['worker'],
    expect: 'healed',
    expected: RESTARTED,
    heralds: ['memory.high'],
    inject: (stage) => stage.misbehave('worker', { kind: 'eat-memory' }),
  },
  {
    name: 'frozen',
    title: 'The main process of mailer is stopped by SIGSTOP: its port is open, and nobody answers.',
    services: ['mailer'],
    expect: 'healed',
    expected: 'the same process is woken, and nothing is restarted',
    inject: (stage) => stage.signal('mailer', 'SIGSTOP'),
    further: (story) => [healedBy(story, 'resume-process'), started(story, 'mailer', 0)],
  },
  {
    name: 'worker-lost',
    title: 'One of the two processes that worker supervises is killed; worker itself goes on and answers 503.',
    services: ['worker'],
    expect: 'healed',
    expected: RESTARTED,
    inject: (stage) => stage.misbehave('worker', { kind: 'lose-worker' }),
  },
  {
    name: 'two-at-once',
    title: 'The main processes of web and api are killed in the same moment.',
    services: ['web', 'api'],
    expect: 'healed',
    expected: 'each restarted once, with an incident of its own',
    inject: async (stage) => void (await Promise.all([stage.signal('web', 'SIGKILL'), stage.signal('api', 'SIGKILL')])),
  },
  {
    name: 'slow-start',
    title: 'search is killed, and takes four seconds from its start until it answers.',
    services: ['search'],
    expect: 'healed',
    expected: 'restarted once: a service that is starting is not restarted again',
    inject: (stage) => stage.signal('search', 'SIGKILL'),
  },
];
