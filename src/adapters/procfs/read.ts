import { readFileSync, readdirSync, readlinkSync } from 'node:fs';

// Synchronous on purpose: the kernel answers /proc from memory in microseconds, and a look at 300 processes through
// the thread pool costs five times the CPU. Long walks call breathe() so that nothing else waits for them.

/** The text of a file below /proc; undefined where the process is gone or this user may not look. */
export function readProc(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

export function linkProc(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}

export function namesProc(path: string): string[] | undefined {
  try {
    return readdirSync(path);
  } catch {
    return undefined;
  }
}

/** Every process id that exists at this instant. */
export function processIds(): number[] {
  const ids: number[] = [];
  for (const name of namesProc('/proc') ?? []) {
    const pid = Number(name);
    if (Number.isInteger(pid)) ids.push(pid);
  }
  return ids;
}

/** Calls `visit` for every item and lets other work run in between. */
export async function breathe<T>(items: Iterable<T>, visit: (item: T) => void, batch = 100): Promise<void> {
  let sinceBreath = 0;
  for (const item of items) {
    visit(item);
    if (++sinceBreath < batch) continue;
    sinceBreath = 0;
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
}
