import { BOUNDS, type Chain, type Component, type Field, MICRO } from './spec.ts';

/** Days that every month has: further from its end nothing can be counted. */
const SHORTEST_MONTH = 28;

/** What is wrong with a field, in words; undefined where it can happen. */
export function whyImpossible(chain: Chain, field: Field, fromEnd = false): string | undefined {
  const [from, most] = BOUNDS[field];
  const to = fromEnd ? SHORTEST_MONTH : most;
  const shown = (value: number): number => (field === 'second' ? value / MICRO : value);
  const name = fromEnd ? 'days from the end of the month' : `the ${field}`;
  const range = `${name} is from ${shown(from)} to ${field === 'second' ? 59 : to}`;
  for (const { start, stop, repeat = 0 } of chain ?? []) {
    if (start < from || start > to) return `${range}, and ${shown(start)} is not`;
    if (stop !== undefined && (stop < from || stop > to)) return `${range}, and ${shown(stop)} is not`;
    if (stop !== undefined && start + repeat > stop)
      return `a range goes upward and at least one step far: ${shown(start)}..${shown(stop)} does not`;
    const reached = fromEnd ? start - repeat >= from : start + repeat <= to;
    if (repeat > to - from || (stop === undefined && !reached))
      return `${shown(start)}/${shown(repeat)} never repeats: ${range}`;
  }
  return undefined;
}

/** In order, each once, ranges no longer than they are used. */
export function normalChain(chain: Chain): Chain {
  if (!chain) return undefined;
  const tidy = chain.map(({ start, stop, repeat = 0 }): Component => {
    if (stop === undefined) return repeat > 0 ? { start, repeat } : { start };
    const end = stop > start && repeat > 0 ? stop - ((stop - start) % repeat) : stop;
    return end === start ? { start } : { start, stop: end, repeat };
  });
  const order = ({ start, stop = -1, repeat = 0 }: Component): number[] => [start, stop, repeat];
  const compare = (one: Component, other: Component): number => {
    const [a, b] = [order(one), order(other)];
    const at = a.findIndex((value, index) => value !== b[index]);
    return at < 0 ? 0 : (a[at] ?? 0) - (b[at] ?? 0);
  };
  return tidy
    .toSorted(compare)
    .filter((one, index, sorted) => index === 0 || compare(one, sorted[index - 1] as Component) !== 0);
}

/** The first value of the field that is not below this one; undefined where none is left. */
export function nextIn(chain: Chain, from: number, last: number): number | undefined {
  if (!chain) return from <= last ? from : undefined;
  let best: number | undefined;
  for (const { start, stop = last, repeat = 0 } of chain) {
    const value = from <= start ? start : repeat > 0 ? start + repeat * Math.ceil((from - start) / repeat) : undefined;
    if (value === undefined || value > Math.min(stop, last) || (repeat === 0 && value !== start)) continue;
    if (best === undefined || value < best) best = value;
  }
  return best;
}

/** Days counted from the end, as days of a month that is this long. */
export function fromMonthsEnd(chain: Chain, length: number): Chain {
  return chain?.map(({ start, stop, repeat }) => {
    const first = length + 1 - start;
    return stop === undefined ? { start: first, repeat } : { start: length + 1 - stop, stop: first, repeat };
  });
}
