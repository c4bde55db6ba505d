import type { Answer } from '../../api/client.ts';

type Week = Answer<'/api/v1/schedule-week'>;
export type Load = Week['items'][number]['load'];

/** One start in the grid of a week. */
export interface Block {
  readonly id: string;
  readonly at: Date;
  readonly day: number;
  /** In hours of its day. */
  readonly from: number;
  readonly hours: number;
  readonly load: Load;
  readonly collides: boolean;
  /** Which of the lanes side by side, and of how many. */
  readonly lane: number;
  readonly lanes: number;
}

/** What comes more often than this in a week says so in words: its blocks would only be stripes. */
const MOST_TIMES = 60;
/** A block of five minutes could not be seen. */
const SHORTEST_HOURS = 0.75;

const startOfDay = (at: Date, days = 0): Date => new Date(at.getFullYear(), at.getMonth(), at.getDate() + days);

/** The midnight of here that today began with. */
export const today = (now: number): Date => startOfDay(new Date(now));

export const daysOf = (first: Date): Date[] => Array.from({ length: 7 }, (_, index) => startOfDay(first, index));

/** Too frequent for the grid. */
export const isRhythm = ({ times }: Week['items'][number]): boolean => times > MOST_TIMES;

/** Where each start stands; those that overlap stand side by side. */
export function layOut({ items, collisions }: Week, days: readonly Date[]): Block[] {
  const met = new Map<string, { from: number; to: number }[]>();
  for (const { one, other, from, to } of collisions)
    for (const id of [one, other])
      met.set(id, [...(met.get(id) ?? []), { from: Date.parse(from), to: Date.parse(to) }]);
  const collides = (id: string, from: number, to: number): boolean =>
    met.get(id)?.some((span) => span.from < to && span.to > from) ?? false;

  const blocks = items
    .filter((item) => !isRhythm(item))
    .flatMap(({ id, begins, durationMs, load }) =>
      begins.flatMap((begin) => {
        const at = new Date(begin);
        const day = days.findLastIndex((each) => each <= at);
        if (day < 0) return [];
        const from = at.getHours() + at.getMinutes() / 60;
        const hours = Math.min(Math.max(durationMs / 3_600_000, SHORTEST_HOURS), 24 - from);
        return [{ id, at, day, from, hours, load, collides: collides(id, at.getTime(), at.getTime() + durationMs) }];
      }),
    )
    .toSorted((one, other) => one.at.getTime() - other.at.getTime());
  return days.flatMap((_, day) => sideBySide(blocks.filter((block) => block.day === day)));
}

function sideBySide(blocks: readonly Omit<Block, 'lane' | 'lanes'>[]): Block[] {
  const placed: Block[] = [];
  let group: { block: (typeof blocks)[number]; lane: number }[] = [];
  let ends: number[] = [];
  const close = (): void => {
    placed.push(...group.map(({ block, lane }) => ({ ...block, lane, lanes: ends.length })));
    group = [];
    ends = [];
  };
  for (const block of blocks) {
    if (ends.every((end) => end <= block.from)) close();
    const free = ends.findIndex((end) => end <= block.from);
    const lane = free < 0 ? ends.length : free;
    ends[lane] = block.from + block.hours;
    group.push({ block, lane });
  }
  close();
  return placed;
}
