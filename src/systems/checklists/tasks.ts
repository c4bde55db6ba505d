import type { EventType } from '../../core/event.ts';
import type { JsonObject } from '../../core/json.ts';
import type { Every } from './periods.ts';

/** Something that has to be done once in each period, by whomever. */
export interface Task {
  readonly name: string;
  readonly title: string;
  readonly every: Every;
  /** How a person does it. */
  readonly how: string;
  /** What Steward itself did that is as good. */
  readonly evidence?: Evidence | undefined;
}

export interface Evidence {
  readonly type: EventType;
  /** Members that the data of the event must have. */
  readonly where: JsonObject;
  inWords(data: JsonObject): string;
}

const text = (value: unknown): string => (typeof value === 'string' ? value : 'unknown');

/** The tasks that the operator of a machine has: permanent names, since ticks are kept under them. */
export const TASKS: readonly Task[] = [
  {
    name: 'review-logs',
    title: 'Review the logs',
    every: 'week',
    how: 'steward logs failures shows what failed and how often; look for what is new.',
  },
  {
    name: 'disk',
    title: 'Look at the disks',
    every: 'week',
    how: 'steward metrics disk-forecast says which disk is full when.',
    evidence: {
      type: 'report.written',
      where: { report: 'health' },
      inWords: ({ score }) => `a health report looked at every disk; its score was ${String(score ?? 'unknown')}`,
    },
  },
  {
    name: 'alert-delivery',
    title: 'See that alerts arrive',
    every: 'week',
    how: 'steward test-channel <name> sends a test; see that it is in your mailbox.',
    evidence: {
      type: 'alert.delivered',
      where: { kind: 'test' },
      inWords: ({ channel }) => `${text(channel)} took a test`,
    },
  },
  {
    name: 'security',
    title: 'Look at what was refused',
    every: 'week',
    how: 'steward audit security shows who was refused, and from where; look for names and addresses that you do not know.',
  },
  {
    name: 'tools',
    title: 'Bring tools up to date',
    every: 'month',
    how: 'steward doctor names programs that are missing or too old.',
  },
  {
    name: 'schedules',
    title: 'Go through the schedules',
    every: 'month',
    how: 'steward schedule preview shows what runs when; is all of it still wanted?',
  },
  {
    name: 'old-reports',
    title: 'Go through old reports',
    every: 'month',
    how: 'Those older than retention.reports go by themselves; keep elsewhere what must stay.',
  },
  {
    name: 'restore-test',
    title: 'Restore a backup',
    every: 'month',
    how: 'steward backup verify <source> restores its newest copy into a place of its own and compares.',
    evidence: {
      type: 'backup.proven',
      where: {},
      inWords: ({ source, repository }) =>
        `the copy of ${text(source)} in ${text(repository)} was restored and compared`,
    },
  },
  {
    name: 'own-scripts',
    title: 'Review your own scripts and workflows',
    every: 'quarter',
    how: 'Scripts, runbooks and workflows of your own: are they still true?',
  },
  {
    name: 'optimization',
    title: 'Tune what is slow',
    every: 'quarter',
    how: 'steward databases and the performance report name what is slow and what would help.',
    evidence: {
      type: 'run.finished',
      where: { automation: 'maintain-database', status: 'succeeded', dryRun: false },
      inWords: () => 'a database was maintained, with proof',
    },
  },
  {
    name: 'security-audit',
    title: 'Audit who may do what',
    every: 'quarter',
    how: 'steward user list and steward token list: does everybody still need what they have?',
  },
  {
    name: 'disaster-recovery',
    title: 'Practise the loss of the machine',
    every: 'quarter',
    how: 'steward restore-home --kit <file> on another machine brings Steward back from its kit; then restore a source.',
  },
];
