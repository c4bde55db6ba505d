/** One member of a list, as in `0/15` or `1..5`: a value, where a range ends, how far the next one is. */
export interface Component {
  readonly start: number;
  readonly stop?: number | undefined;
  readonly repeat?: number | undefined;
}

/** What one field allows; undefined allows everything. */
export type Chain = readonly Component[] | undefined;

/** A calendar expression that was read. Seconds are counted in millionths. */
export interface CalendarSpec {
  /** Which days of the week, Monday first; undefined allows all seven. */
  readonly weekdays: readonly boolean[] | undefined;
  readonly year: Chain;
  readonly month: Chain;
  readonly day: Chain;
  /** Days are counted from the end of the month: 1 is the last one. */
  readonly fromEnd: boolean;
  readonly hour: Chain;
  readonly minute: Chain;
  readonly second: Chain;
  /** As it was written behind the expression. */
  readonly zone: string | undefined;
}

export const WEEKDAYS = ['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun'] as const;
export const MICRO = 1_000_000;
export const FIRST_YEAR = 1970;
export const LAST_YEAR = 2199;

export type Field = 'year' | 'month' | 'day' | 'hour' | 'minute' | 'second';

export const BOUNDS: Readonly<Record<Field, readonly [number, number]>> = {
  year: [FIRST_YEAR, LAST_YEAR],
  month: [1, 12],
  day: [1, 31],
  hour: [0, 23],
  minute: [0, 59],
  second: [0, 60 * MICRO - 1],
};
