/** What waits for somebody else, and until when. */
export interface Waits {
  /** Of performance.now(); Infinity where it waits for nobody. */
  readonly deadline: number;
  /** Called when that is over; it may set another one, or end. */
  late(): void;
}

const EVERY_MS = 50;

const waiting = new Set<Waits>();
let sweeping: NodeJS.Timeout | undefined;

/** Until it ends. One timer looks at all of them, so that each costs two numbers: none is let go early, nor later than a look. */
export function watch(one: Waits): void {
  waiting.add(one);
  sweeping ??= setInterval(sweep, EVERY_MS).unref();
}

export function unwatch(one: Waits): void {
  waiting.delete(one);
}

function sweep(): void {
  const now = performance.now();
  for (const one of waiting) if (now >= one.deadline) one.late();
  if (waiting.size > 0) return;
  clearInterval(sweeping);
  sweeping = undefined;
}
