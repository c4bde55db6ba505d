import { StewardError } from '../errors.ts';
import { clockChanges, wallClock } from '../zone.ts';

/** A table whose rows have expired when the instant in one column has passed, as an operator wrote it into the configuration. */
export interface ExpiringTable {
  /** The backup source that says how its database is reached. */
  readonly source: string;
  /** Where the source is a server with several. */
  readonly database?: string | undefined;
  readonly table: string;
  /** The column with the instant. */
  readonly expires: string;
  /** A row goes so long after that instant. */
  readonly afterMs: number;
  /** Of integers; undefined: by their magnitude. */
  readonly unit?: Unit | undefined;
  /** What a column that says no time zone is written in. */
  readonly zone?: string | undefined;
  /** What other tables have of its rows may go with them. */
  readonly cascade: boolean;
}

export type Unit = 'seconds' | 'milliseconds';

/** Whole numbers that are an instant in Unix time: below are rows that never expire (0, -1), above is no such unit. */
export const RANGE: Readonly<Record<Unit, { readonly from: number; readonly below: number }>> = {
  seconds: { from: 1, below: 1e11 },
  milliseconds: { from: 1e11, below: 1e14 },
};

/** The unit of a column by its least and its greatest value of those that are in either range. */
export function unitOf(
  column: string,
  { least, greatest, given }: { readonly least: number; readonly greatest: number; readonly given: Unit | undefined },
): Unit {
  const unit = greatest >= RANGE.milliseconds.from ? 'milliseconds' : 'seconds';
  if (given !== undefined && given !== unit)
    throw new StewardError(
      'PRECONDITION_FAILED',
      `${column} is said to be in ${given}, and its greatest value, ${greatest}, is an instant in ${unit}: nothing was removed.`,
      { hint: `Correct unit in databases.sessions.` },
    );
  if (given === undefined && least < RANGE[unit].from)
    throw new StewardError(
      'PRECONDITION_FAILED',
      `${column} has values from ${least} to ${greatest}: some are seconds, some milliseconds since 1970, and nothing is guessed.`,
      { hint: 'Say which in databases.sessions: unit: seconds or unit: milliseconds' },
    );
  return unit;
}

/** The time on the wall of a zone that has passed for sure at this instant, also where an hour comes twice. */
export function passedOnTheWall(instant: number, zone: string): number {
  const DAY_MS = 86_400_000;
  const later = clockChanges(instant, instant + DAY_MS, zone).map(({ at }) => at);
  return Math.min(...[instant, ...later].map((one) => wallClock(one, zone)));
}

/** A foreign key, by its tables as the engine names them. */
export interface Reference {
  readonly from: string;
  readonly to: string;
  readonly onDelete: string;
}

/** What a row that goes changes in other tables, through each other too: in words, one for each table. */
export function goingWith(table: string, references: readonly Reference[]): string[] {
  const told = new Map<string, string>();
  const follow = (parent: string): void => {
    for (const { from, to, onDelete } of references) {
      const rule = onDelete.toUpperCase();
      const goes = rule === 'CASCADE';
      if (to !== parent || (!goes && !rule.startsWith('SET '))) continue;
      const known = told.get(from);
      if (known !== undefined && (!goes || known.startsWith('rows'))) continue;
      told.set(from, goes ? `rows of ${from} go with them` : `rows of ${from} lose what leads to them`);
      if (goes && from !== table) follow(from);
    }
  };
  follow(table);
  return [...told.values()];
}
