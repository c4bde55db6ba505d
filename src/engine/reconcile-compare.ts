import type { Schedule } from '../core/schedule.ts';
import { instantsBetween } from './instants.ts';
import type { Difference } from './reconciliation.ts';
import type { FiringOutcome } from './tables-schedules.ts';

/** What is known of one schedule. */
export interface Evidence {
  readonly schedule: string;
  readonly definitions: readonly { readonly schedule: Schedule; readonly since: Date; readonly until: Date | null }[];
  readonly firings: readonly {
    readonly instant: Date;
    readonly since: Date | null;
    readonly outcome: FiringOutcome;
    readonly execution: string | null;
  }[];
  readonly executions: readonly { readonly id: string; readonly instant: Date }[];
}

export interface Comparison {
  readonly due: number;
  readonly ran: number;
  /** Left out for a reason that is on record: paused, stopped, missed, the last one still ran. */
  readonly excused: number;
  readonly differences: readonly Difference[];
}

/** What ran beside what should have run, of the instants in (from, to]. */
export function compareWithDue(
  { schedule, definitions, firings, executions }: Evidence,
  from: Date,
  to: Date,
): Comparison {
  const later = (one: Date, other: Date): Date => (one > other ? one : other);
  const due = definitions.flatMap((definition) => [
    ...instantsBetween(
      definition.schedule,
      later(definition.since, from),
      definition.until && definition.until < to ? definition.until : to,
    ),
  ]);
  const counts = { ran: 0, excused: 0 };
  const differences: Difference[] = [];
  const differs = (kind: Difference['kind'], instant: Date, message: string, execution?: string | null): void =>
    void differences.push({
      kind,
      schedule,
      instant: instant.toISOString(),
      ...(execution ? { execution } : {}),
      message: `${schedule} at ${instant.toISOString()}: ${message}`,
    });

  const ranAt = new Map(executions.map(({ instant, id }) => [instant.getTime(), id]));
  const firingAt = new Map(firings.map((firing) => [firing.instant.getTime(), firing]));
  const stretches = firings.filter(({ since }) => since !== null);
  for (const instant of due) {
    const ran = ranAt.get(instant.getTime());
    const firing =
      firingAt.get(instant.getTime()) ??
      stretches.find(({ since, instant: last }) => since !== null && since <= instant && instant <= last);
    if (firing?.outcome === 'fired') {
      if (ran === undefined) differs('deleted', instant, 'it was started, and its execution is gone', firing.execution);
      else counts.ran += 1;
    } else if (firing) {
      if (ran === undefined) counts.excused += 1;
      else differs('not-due', instant, `it ran, and was to be left out (${firing.outcome})`, ran);
    } else if (ran === undefined) differs('absent', instant, 'it was due, and nothing became of it');
    else differs('unrecorded', instant, 'it ran, and nothing says that it was started', ran);
  }

  // What ran before anything was known of the schedule says nothing.
  const known = later(definitions[0]?.since ?? to, from);
  const dueAt = new Set(due.map((instant) => instant.getTime()));
  for (const { instant, id } of executions)
    if (instant > known && instant <= to && !dueAt.has(instant.getTime()))
      differs('not-due', instant, 'it ran without being due', id);
  for (const { instant, outcome, execution } of firings)
    if (
      outcome === 'fired' &&
      instant > known &&
      instant <= to &&
      !dueAt.has(instant.getTime()) &&
      !ranAt.has(instant.getTime())
    )
      differs('not-due', instant, 'it was started without being due', execution);
  return { due: due.length, ...counts, differences };
}
