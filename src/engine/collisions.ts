import type { Schedule } from '../core/schedule.ts';
import { instantsBetween, jitterOf } from './instants.ts';
import type { Load } from './load.ts';

/** What starts by the clock, with what it uses and how long it takes. */
export interface Occupant {
  readonly id: string;
  readonly schedule: Schedule;
  readonly load: Load;
  readonly durationMs: number;
  /** Whether the duration comes from runs; otherwise it is assumed. */
  readonly measured: boolean;
}

/** Two heavy ones of a kind that would work at the same time: the later one waits for its place. */
export interface Collision {
  readonly one: string;
  readonly other: string;
  readonly load: Load;
  readonly times: number;
  readonly first: Date;
  readonly longestMs: number;
}

interface Span {
  readonly occupant: Occupant;
  readonly from: number;
  readonly to: number;
}

/** A year of every five minutes: of what comes more often only so many are compared. */
const MOST_SPANS = 120_000;

/** Two that would work at once, from one instant to another. */
export interface Meeting {
  readonly one: string;
  readonly other: string;
  readonly load: Load;
  readonly from: Date;
  readonly to: Date;
}

/** Which of them meet between two instants, how often, and for how long at most; the most frequent first. */
export function collisionsOf(occupants: readonly Occupant[], from: Date, to: Date): Collision[] {
  const found = new Map<string, Collision>();
  for (const { one, other, load, ...shared } of meetingsOf(occupants, from, to)) {
    const key = `${load} ${one} ${other}`;
    const known = found.get(key);
    found.set(key, {
      one,
      other,
      load,
      times: (known?.times ?? 0) + 1,
      first: known?.first ?? shared.from,
      longestMs: Math.max(known?.longestMs ?? 0, shared.to.getTime() - shared.from.getTime()),
    });
  }
  return [...found.values()].toSorted((one, other) => other.times - one.times);
}

/** Every time that two heavy ones of a kind would work at once, kind by kind and in order. */
export function* meetingsOf(occupants: readonly Occupant[], from: Date, to: Date): Generator<Meeting, undefined> {
  for (const load of ['cpu', 'io'] as const) {
    const spans = occupants
      .filter((occupant) => occupant.load === load)
      .flatMap((occupant) => spansOf(occupant, from, to))
      .toSorted((one, other) => one.from - other.from);
    let open: Span[] = [];
    for (const span of spans) {
      open = open.filter((other) => other.to > span.from);
      for (const other of open) {
        if (other.occupant.id === span.occupant.id) continue;
        const [one = '', two = ''] = [other.occupant.id, span.occupant.id].toSorted();
        yield { one, other: two, load, from: new Date(span.from), to: new Date(Math.min(other.to, span.to)) };
      }
      open.push(span);
    }
  }
}

function spansOf(occupant: Occupant, from: Date, to: Date): Span[] {
  const spans: Span[] = [];
  for (const instant of instantsBetween(occupant.schedule, from, to)) {
    if (spans.length >= MOST_SPANS) break;
    const begin = instant.getTime() + jitterOf(occupant.schedule, occupant.id, instant);
    spans.push({ occupant, from: begin, to: begin + occupant.durationMs });
  }
  return spans;
}

const CELL_MS = 30 * 60_000;
const CELLS = 48;
const SIGNS = { light: '-', io: 'i', cpu: 'c' } as const;

/** A week of UTC, a line for each day and a sign for each half hour. */
export function weekPicture(occupants: readonly Occupant[], from: Date): string[] {
  const monday = Math.floor(from.getTime() / 86_400_000) * 86_400_000;
  const end = monday + 7 * 86_400_000;
  const cells = Array.from({ length: 7 * CELLS }, () => new Map<string, Load>());
  for (const occupant of occupants) {
    for (const span of spansOf(occupant, new Date(monday - 1), new Date(end - 1))) {
      const last = Math.min(Math.floor((Math.max(span.to - 1, span.from) - monday) / CELL_MS), cells.length - 1);
      for (let cell = Math.floor((span.from - monday) / CELL_MS); cell <= last; cell += 1)
        cells[cell]?.set(occupant.id, occupant.load);
    }
  }
  const sign = (cell: ReadonlyMap<string, Load>): string => {
    const loads = [...cell.values()];
    const heavy = loads.find((load) => load !== 'light' && loads.filter((other) => other === load).length > 1);
    if (heavy) return heavy.toUpperCase().slice(0, 1);
    const [worst] = loads.toSorted((one, other) => (one === 'light' ? 1 : 0) - (other === 'light' ? 1 : 0));
    return worst ? SIGNS[worst] : '.';
  };
  const hours = Array.from({ length: 8 }, (_, index) =>
    String(index * 3)
      .padStart(2, '0')
      .padEnd(6),
  ).join('');
  const days = Array.from({ length: 7 }, (_, day) => {
    const name = new Date(monday + day * 86_400_000).toUTCString().slice(0, 11).replace(',', '');
    return `${name}  ${cells
      .slice(day * CELLS, (day + 1) * CELLS)
      .map(sign)
      .join('')}`;
  });
  return [
    `UTC         ${hours.trimEnd()}`,
    ...days,
    'i works the disk, c the processor, - is light; I and C: two of a kind at once, the later one waits.',
  ];
}
