/**
 * What is written in one turn of the event loop is written together, at its end. A write wakes who waits for it, which costs the
 * writer more than the write where that one had gone to sleep on another core; of writes that follow each other at once only the first does.
 */
export function writeTogether(write: () => void): void {
  writes.push(write);
  atEnd();
}

/** What need not be done before the writes of this turn are out. */
export function afterWrites(work: () => void): void {
  leftovers.push(work);
  atEnd();
}

// New lists for each turn: what lives long must not point to a request that is over.
let writes: (() => void)[] = [];
let leftovers: (() => void)[] = [];
let awaited = false;

function atEnd(): void {
  if (awaited) return;
  awaited = true;
  setImmediate(endTurn);
}

function endTurn(): void {
  const now = writes;
  writes = [];
  each(now);
  const then = leftovers;
  leftovers = [];
  awaited = false;
  // Asked for by one of those writes.
  if (writes.length > 0) atEnd();
  each(then);
}

/** One that fails takes no other one with it, and is heard of as if it had been called by the loop itself. */
function each(works: readonly (() => void)[]): void {
  for (const work of works)
    try {
      work();
    } catch (thrown) {
      process.nextTick(() => {
        throw thrown;
      });
    }
}
