const DAY_MS = 86_400_000;
const SECOND_MS = 1_000;
const PART = /(\d+)\/(\d+)\/(\d+), (\d+):(\d+):(\d+)/;

const formats = new Map<string, Intl.DateTimeFormat>();
/** The offset of a whole day of UTC, or undefined where it changes within it; by zone. */
const days = new Map<string, Map<number, number | undefined>>();
const MOST_DAYS = 4_000;

/** Whether this is a time zone that the machine knows, as in Europe/Berlin. */
export function isZone(name: string): boolean {
  try {
    formatOf(name);
    return true;
  } catch {
    return false;
  }
}

/** What a clock on the wall shows at this instant, as the milliseconds that UTC would have with the same digits. */
export function wallClock(instant: number, zone: string): number {
  return instant + offsetAt(instant, zone);
}

/** The instants at which a clock on the wall shows this: none where it is skipped, two where it is repeated, the first one first. */
export function instantsOf(wall: number, zone: string): number[] {
  // No offset is as long as a day, so what holds at the time itself is what held a day before or what holds a day later.
  const offsets = new Set([offsetAt(wall - DAY_MS, zone), offsetAt(wall + DAY_MS, zone)]);
  return [...offsets]
    .map((offset) => wall - offset)
    .filter((instant) => wallClock(instant, zone) === wall)
    .toSorted((one, other) => one - other);
}

/** Where the clocks of a zone are set, between two instants: the new time applies from `at` on. */
export function clockChanges(from: number, to: number, zone: string): { at: number; before: number; after: number }[] {
  const changes: { at: number; before: number; after: number }[] = [];
  for (let day = Math.floor(from / DAY_MS); day * DAY_MS < to; day += 1) {
    const [before, after] = [offsetAt(day * DAY_MS, zone), offsetAt((day + 1) * DAY_MS, zone)];
    if (before === after) continue;
    let [low, high] = [day * DAY_MS, (day + 1) * DAY_MS];
    while (high - low > SECOND_MS) {
      const middle = Math.floor((low + high) / 2 / SECOND_MS) * SECOND_MS;
      if (offsetAt(middle, zone) === before) low = middle;
      else high = middle;
    }
    if (high > from && high <= to) changes.push({ at: high, before, after });
  }
  return changes;
}

function offsetAt(instant: number, zone: string): number {
  if (zone === 'UTC') return 0;
  const day = Math.floor(instant / DAY_MS);
  let known = days.get(zone);
  if (!known || known.size > MOST_DAYS) days.set(zone, (known = new Map()));
  if (!known.has(day)) {
    const first = offsetNow(day * DAY_MS, zone);
    known.set(day, first === offsetNow((day + 1) * DAY_MS, zone) ? first : undefined);
  }
  return known.get(day) ?? offsetNow(instant, zone);
}

function offsetNow(instant: number, zone: string): number {
  const whole = Math.floor(instant / SECOND_MS) * SECOND_MS;
  const [, month = 0, day = 0, year = 0, hour = 0, minute = 0, second = 0] =
    PART.exec(formatOf(zone).format(whole))?.map(Number) ?? [];
  return Date.UTC(year, month - 1, day, hour, minute, second) - whole;
}

function formatOf(zone: string): Intl.DateTimeFormat {
  let format = formats.get(zone);
  if (!format) {
    format = new Intl.DateTimeFormat('en-US', {
      timeZone: zone,
      hourCycle: 'h23',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    });
    formats.set(zone, format);
  }
  return format;
}
