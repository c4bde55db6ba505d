import type { Worker } from 'node:worker_threads';

const INTERRUPT_MS = 1_000;

/**
 * Whether a thread runs code that does not come back to its events: nothing is answered, it never rested meanwhile, and it takes
 * interrupts. One that waits in the kernel, for a disk say, never rests either by what Node measures, but takes no interrupt; it cannot be
 * ended, and may go on any moment.
 */
export async function isInLoop(worker: Worker, beat: () => Promise<unknown>): Promise<boolean> {
  const before = worker.performance.eventLoopUtilization();
  if (!(await takesInterrupts(worker))) return false;
  const isAnswered = await beat().then(
    () => true,
    () => false,
  );
  const { utilization } = worker.performance.eventLoopUtilization(before);
  return !isAnswered && utilization >= 1 && (await takesInterrupts(worker));
}

/** Node asks for these figures by an interrupt of whatever code runs there. */
async function takesInterrupts(worker: Worker): Promise<boolean> {
  const { promise: late, resolve } = Promise.withResolvers<false>();
  const timer = setTimeout(() => resolve(false), INTERRUPT_MS);
  const asked = worker.getHeapStatistics().then(
    () => true,
    () => false,
  );
  const does = await Promise.race([asked, late]);
  clearTimeout(timer);
  return does;
}
