/** What waits for somebody else, and until when. */
export interface Waits {
  /** Of performance.now(); Infinity where it waits for nobody. */
  readonly deadline: number;
  /** Called when that is over; it may set another one, or end. */
  late(): void;
  /** Kept here. */
  place: number;
}

const EVERY_MS = 50;

// No Set: each time it makes room it leaves a table behind, and once one of these is old it keeps alive all who were in the next.
const waiting: Waits[] = [];
let sweeping: NodeJS.Timeout | undefined;

/** Until it ends. One timer looks at all of them, so that each costs two numbers: none is let go early, nor later than a look. */
export function watch(one: Waits): void {
  one.place = waiting.push(one) - 1;
  sweeping ??= setInterval(sweep, EVERY_MS).unref();
}

export function unwatch(one: Waits): void {
  if (waiting[one.place] !== one) return;
  const last = waiting.pop() as Waits;
  if (last === one) return;
  waiting[one.place] = last;
  last.place = one.place;
}

function sweep(): void {
  const now = performance.now();
  // From the end: in the place of one that ends comes one that was looked at.
  for (let at = waiting.length - 1; at >= 0; at -= 1) {
    const one = waiting[at];
    if (one && now >= one.deadline) one.late();
  }
  if (waiting.length > 0) return;
  clearInterval(sweeping);
  sweeping = undefined;
}
