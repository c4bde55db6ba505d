import { StewardError } from '../errors.ts';
import { isZone } from '../zone.ts';
import { normalChain, whyImpossible } from './chain.ts';
import { type CalendarSpec, type Chain, type Component, type Field, MICRO, WEEKDAYS } from './spec.ts';

const LONG_NAMES = ['Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday', 'Sunday'];
const MOST_COMPONENTS = 240;
const MOST_DIGITS = 9;
const HINT = 'As systemd writes it: "Mon..Fri *-*-* 09:00:00 Europe/Berlin", "*:0/30", "*-*~01 03:00", "quarterly".';

const EVERYTHING = { weekdays: undefined, year: undefined, month: undefined, day: undefined, fromEnd: false };
const at = (...values: number[]): Chain => values.map((start) => ({ start }));
const MIDNIGHT = { hour: at(0), minute: at(0), second: at(0) };
const YEARLY = { ...EVERYTHING, month: at(1), day: at(1), ...MIDNIGHT };
const HALF_YEARLY = { ...EVERYTHING, month: at(1, 7), day: at(1), ...MIDNIGHT };
const NAMED: Readonly<Record<string, Omit<CalendarSpec, 'zone'>>> = {
  minutely: { ...EVERYTHING, hour: undefined, minute: undefined, second: at(0) },
  hourly: { ...EVERYTHING, hour: undefined, minute: at(0), second: at(0) },
  daily: { ...EVERYTHING, ...MIDNIGHT },
  weekly: { ...EVERYTHING, weekdays: WEEKDAYS.map((day) => day === 'Mon'), ...MIDNIGHT },
  monthly: { ...EVERYTHING, day: at(1), ...MIDNIGHT },
  quarterly: { ...EVERYTHING, month: at(1, 4, 7, 10), day: at(1), ...MIDNIGHT },
  annually: YEARLY,
  anually: YEARLY,
  yearly: YEARLY,
  biannually: HALF_YEARLY,
  'bi-annually': HALF_YEARLY,
  semiannually: HALF_YEARLY,
  'semi-annually': HALF_YEARLY,
};

/** Reads an expression; CONFIG_INVALID says where it cannot be read and what was expected there. */
export function parseCalendar(text: string): CalendarSpec {
  return new Reader(text).read();
}

class Reader {
  readonly #text: string;
  /** Without the zone behind it. */
  #rest: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
    this.#rest = text;
  }

  read(): CalendarSpec {
    const zone = this.#zone();
    if (this.#rest === '') this.#fail('a date, a time or a word such as daily');
    const named = NAMED[this.#rest.toLowerCase()];
    if (named) return { ...named, zone };
    const weekdays = this.#weekdays();
    if (this.#peek() === '@') return { weekdays, ...this.#epoch(), zone: 'UTC' };
    const date = this.#date();
    const time = this.#time();
    return { weekdays: weekdays?.every(Boolean) ? undefined : weekdays, ...date, ...time, zone };
  }

  #zone(): string | undefined {
    const space = this.#text.lastIndexOf(' ');
    const last = this.#text.slice(space + 1);
    if (space < 0 || !/^[A-Za-z]/.test(last) || /^(mon|tue|wed|thu|fri|sat|sun)/i.test(last)) return undefined;
    const zone = last.toUpperCase() === 'UTC' ? 'UTC' : last;
    if (!isZone(zone)) {
      this.#at = space + 1;
      this.#fail('a time zone such as UTC or Europe/Berlin');
    }
    this.#rest = this.#text.slice(0, space);
    return zone;
  }

  #weekdays(): boolean[] | undefined {
    const days = WEEKDAYS.map(() => false);
    let from: number | undefined;
    for (let first = true; ; first = false) {
      const day = this.#weekday();
      if (day === undefined) {
        if (first) return undefined;
        this.#fail('a weekday such as Mon or Friday');
      }
      if (from !== undefined && from > day) this.#fail(`a weekday after ${WEEKDAYS[from]}`, this.#at - 1);
      for (let each = from ?? day; each <= day; each += 1) days[each] = true;
      if (this.#ended()) return days;
      const next = this.#peek();
      if (next === ',') {
        this.#at += 1;
        from = undefined;
        if (this.#ended()) return days;
      } else {
        if (from !== undefined) this.#fail('"," or a space');
        this.#at += next === '-' ? 1 : 2;
        from = day;
      }
    }
  }

  /** The end, or the blanks that end the weekdays. */
  #ended(): boolean {
    if (this.#peek() !== '' && this.#peek() !== ' ') return false;
    this.#blanks();
    return true;
  }

  #weekday(): number | undefined {
    for (const names of [LONG_NAMES, WEEKDAYS]) {
      for (const [index, name] of names.entries()) {
        const end = this.#at + name.length;
        if (this.#rest.slice(this.#at, end).toLowerCase() !== name.toLowerCase()) continue;
        const follows = this.#rest.slice(end);
        if (!/^($|[-, ]|\.\.)/.test(follows)) continue;
        this.#at = end;
        return index;
      }
    }
    return undefined;
  }

  #epoch(): Omit<CalendarSpec, 'zone' | 'weekdays'> {
    this.#at += 1;
    const begin = this.#at;
    const digits = /^\d{1,11}/.exec(this.#rest.slice(begin))?.[0];
    if (digits === undefined) this.#fail('seconds since 1970 behind @');
    this.#at += digits.length;
    this.#end();
    const day = new Date(Number(digits) * 1_000);
    const fields = {
      year: at(day.getUTCFullYear()),
      month: at(day.getUTCMonth() + 1),
      day: at(day.getUTCDate()),
      hour: at(day.getUTCHours()),
      minute: at(day.getUTCMinutes()),
      second: at(day.getUTCSeconds() * MICRO),
    };
    this.#possible('year', fields.year, begin);
    return { ...fields, fromEnd: false };
  }

  #date(): Pick<CalendarSpec, 'year' | 'month' | 'day' | 'fromEnd'> {
    const everyDay = { year: undefined, month: undefined, day: undefined, fromEnd: false };
    const begin = this.#at;
    if (this.#peek() === '') return everyDay;
    const parts: { chain: Chain; at: number }[] = [];
    let fromEnd = false;
    for (;;) {
      const start = this.#at;
      parts.push({ chain: this.#chain(false), at: start });
      const next = this.#peek();
      if (parts.length === 1 && (next === '' || next === ':')) {
        // It was an hour.
        this.#at = begin;
        return everyDay;
      }
      if (parts.length > 1 && (next === '' || next === ' ')) break;
      if (fromEnd || parts.length === 3) this.#fail('a space, and then a time');
      if (next === '~') fromEnd = true;
      else if (next !== '-') this.#fail(parts.length === 1 ? '"-", "~" or ":"' : '"-", "~" or a space');
      this.#at += 1;
    }
    this.#blanks();
    const [day, month, year] = parts.toReversed();
    return {
      year: this.#possible('year', fullYears(year?.chain), year?.at ?? 0),
      month: this.#possible('month', month?.chain, month?.at ?? 0),
      day: this.#possible('day', day?.chain, day?.at ?? 0, fromEnd),
      // Every day is every day, from whichever end it is counted.
      fromEnd: fromEnd && day?.chain !== undefined,
    };
  }

  #time(): Pick<CalendarSpec, 'hour' | 'minute' | 'second'> {
    if (this.#peek() === '') return MIDNIGHT;
    const read = (field: Field): Chain => {
      const begin = this.#at;
      return this.#possible(field, this.#chain(field === 'second'), begin);
    };
    const hour = read('hour');
    if (this.#peek() !== ':') this.#fail('":" and the minute');
    this.#at += 1;
    const minute = read('minute');
    if (this.#peek() === '') return { hour, minute, second: at(0) };
    if (this.#peek() !== ':') this.#fail('":" and the second, a time zone, or the end');
    this.#at += 1;
    const second = read('second');
    this.#end();
    return { hour, minute, second };
  }

  #chain(seconds: boolean): Chain {
    if (this.#peek() === '*') {
      this.#at += 1;
      if (this.#peek() === '/') this.#fail('a number before "/": 0/2 instead of */2', this.#at - 1);
      return seconds ? [{ start: 0, repeat: MICRO }] : undefined;
    }
    const all: Component[] = [];
    for (;;) {
      all.push(this.#component(seconds));
      if (this.#peek() !== ',') return all;
      if (all.length > MOST_COMPONENTS) this.#fail(`at most ${MOST_COMPONENTS} values in a list`);
      this.#at += 1;
    }
  }

  #component(seconds: boolean): Component {
    const begin = this.#at;
    const start = this.#number(seconds);
    let stop: number | undefined;
    let repeat: number | undefined;
    if (this.#rest.startsWith('..', this.#at)) {
      this.#at += 2;
      stop = this.#number(seconds);
      repeat = seconds ? MICRO : 1;
    }
    if (this.#peek() === '/') {
      this.#at += 1;
      repeat = this.#number(seconds);
      if (repeat === 0) this.#fail('a step above 0', this.#at - 1);
    } else if (seconds && stop !== undefined && start + MICRO > stop) this.#fail('a range of a second or more', begin);
    if (!/^($|[ ,\-~:])/.test(this.#rest.slice(this.#at))) this.#fail('a number, "..", "/", "," or the next part');
    return { start, stop, repeat };
  }

  #number(seconds: boolean): number {
    const [digits, fraction = ''] =
      (seconds ? /^(\d+)(?:\.(?!\.)(\d+))?/ : /^(\d+)/).exec(this.#rest.slice(this.#at))?.slice(1) ?? [];
    if (digits === undefined || digits.length > MOST_DIGITS) this.#fail('a number or "*"');
    this.#at += digits.length + (fraction === '' ? 0 : fraction.length + 1);
    if (!seconds) return Number(digits);
    const micros =
      fraction === '' ? 0 : Math.round(Number(`${fraction.slice(0, 6).padEnd(6, '0')}.${fraction.slice(6)}`));
    return Number(digits) * MICRO + micros;
  }

  #possible(field: Field, chain: Chain, begin: number, fromEnd = false): Chain {
    const normal = normalChain(chain);
    const why = whyImpossible(normal, field, fromEnd);
    if (why !== undefined) this.#fail(why, begin, '');
    return normal;
  }

  #end(): void {
    if (this.#peek() !== '') this.#fail('nothing more');
  }

  #peek(): string {
    return this.#rest[this.#at] ?? '';
  }

  #blanks(): void {
    while (this.#peek() === ' ') this.#at += 1;
  }

  #fail(expected: string, position = this.#at, verb = 'expected '): never {
    const found = this.#text.slice(position);
    const where = found === '' ? 'at its end' : `at position ${position + 1} ('${found.slice(0, 20)}')`;
    throw new StewardError(
      'CONFIG_INVALID',
      `The calendar expression '${this.#text}' cannot be read ${where}: ${verb}${expected}.`,
      { hint: HINT },
    );
  }
}

/** 26 is 2026 and 89 is 1989. */
function fullYears(chain: Chain): Chain {
  const full = (year: number): number => (year < 70 ? year + 2_000 : year < 100 ? year + 1_900 : year);
  return chain?.map(({ start, stop, repeat }) => ({
    start: full(start),
    stop: stop === undefined ? undefined : full(stop),
    repeat,
  }));
}
