import type { Fault } from '../fault.ts';

/** Something that others need goes away. */
export const DEPENDENCY_FAULTS: readonly Fault[] = [
  {
    name: 'database-killed',
    title: 'PostgreSQL is killed with signal 9 under ledger and invoices, which need it.',
    services: ['db'],
    bystanders: ['ledger', 'invoices'],
    expect: 'healed',
    expected: 'one incident speaks for all, PostgreSQL is restarted once, and nothing is done to those that need it',
    inject: (stage) => stage.signal('db', 'SIGKILL'),
  },
  {
    name: 'pool-exhausted',
    title: 'ledger takes every connection of its pool and gives none back.',
    services: ['ledger'],
    bystanders: ['db'],
    expect: 'healed',
    expected: 'its connections are recycled; the database is not touched',
    inject: (stage) => stage.misbehave('ledger', { kind: 'take-all-connections' }),
  },
  {
    name: 'cut-off',
    title: 'reports is cut off from the network of the database; the database itself is well.',
    services: ['reports'],
    bystanders: ['db'],
    expect: 'escalated',
    expected: 'a few attempts, then a person is told; the database is not touched',
    attempts: [1, 3],
    withinSeconds: 260,
    inject: (stage) => stage.cutOff('reports'),
    undo: (stage) => stage.letIn('reports'),
  },
];
