const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/**
 * How finely the past is kept. A row of a level is one series over `chunkMs`, with a value for each `slotMs` in which there
 * was one. It is written once, when that time is over, from the level before; nothing is ever updated. Chunks fill
 * partitions exactly, and partitions are dropped as wholes.
 */
export interface Level {
  readonly name: 'raw' | '5m' | '1h' | '1d';
  readonly table: 'metric_raw' | 'metric_5m' | 'metric_1h' | 'metric_1d';
  readonly slotMs: number;
  readonly chunkMs: number;
  readonly partitionMs: number;
}

/** From the finest to the coarsest. Each chunk is a whole number of chunks of the level before. */
export const LEVELS = [
  { name: 'raw', table: 'metric_raw', slotMs: SECOND, chunkMs: HOUR, partitionMs: DAY },
  { name: '5m', table: 'metric_5m', slotMs: 5 * MINUTE, chunkMs: 6 * HOUR, partitionMs: 5 * DAY },
  { name: '1h', table: 'metric_1h', slotMs: HOUR, chunkMs: DAY, partitionMs: 15 * DAY },
  { name: '1d', table: 'metric_1d', slotMs: DAY, chunkMs: 30 * DAY, partitionMs: 90 * DAY },
] as const satisfies readonly Level[];

export type LevelName = Level['name'];

/** Milliseconds that each level is kept. */
export type Keep = Readonly<Record<LevelName, number>>;

export const KEEP: Keep = { raw: 7 * DAY, '5m': 30 * DAY, '1h': 90 * DAY, '1d': 730 * DAY };

/** What is measured, before an hour of it is packed; a day of it is one partition. */
export const TICKS = { table: 'metric_ticks', partitionMs: DAY } as const;
/** Packed ticks are of no use any more. This much is left, in case somebody set the clock. */
export const KEEP_TICKS_MS = 2 * DAY;
/** After the end of an hour, so long is waited for what a node could not write at once. */
export const GRACE_MS = 20 * MINUTE;
/** What could not be written for so long is given up; less than the grace, so that what is written is also packed. */
export const GIVE_UP_MS = 15 * MINUTE;
export const SAMPLE_MS = 15 * SECOND;

export function floorTo(instant: number, width: number): number {
  return Math.floor(instant / width) * width;
}
