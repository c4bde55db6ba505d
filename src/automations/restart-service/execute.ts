import { setTimeout as sleep } from 'node:timers/promises';
import type { Ports } from '../../core/ports.ts';
import type { ProcessInfo } from '../../core/ports/processes.ts';
import type { ProcessIdentity } from '../../core/ports/programs.ts';
import { StewardError } from '../../core/errors.ts';

const LOOK_EVERY_MS = 100;
const KILL_TAKES_MS = 5_000;

/**
 * Ends these very processes: asked first, forced after the grace. One that hangs in a stop signal is woken,
 * so that it can hear the question.
 */
export async function endProcesses(
  found: readonly ProcessIdentity[],
  { processes }: Pick<Ports, 'processes'>,
  { graceSeconds, signal }: { graceSeconds: number; signal: AbortSignal },
): Promise<void> {
  for (const process of found) {
    await processes.signal(process, 'SIGTERM');
    await processes.signal(process, 'SIGCONT');
  }
  let left = await waitUntilGone(found, processes, graceSeconds * 1_000, signal);
  for (const process of left) await processes.signal(process, 'SIGKILL');
  left = await waitUntilGone(left, processes, KILL_TAKES_MS, signal);
  if (left.length === 0) return;
  throw new StewardError(
    'PRECONDITION_FAILED',
    `Process ${left.map(({ pid }) => pid).join(', ')} does not end, not even by SIGKILL.`,
    {
      hint: 'It waits inside the kernel, for a disk or a network file system as a rule. Look at its state in /proc/<pid>/stack.',
    },
  );
}

async function waitUntilGone(
  found: readonly ProcessIdentity[],
  processes: Ports['processes'],
  milliseconds: number,
  signal: AbortSignal,
): Promise<ProcessIdentity[]> {
  for (let waited = 0; ; waited += LOOK_EVERY_MS) {
    const left = await stillThere(found, processes);
    if (left.length === 0 || waited >= milliseconds) return left;
    await sleep(LOOK_EVERY_MS, undefined, { signal });
  }
}

async function stillThere(
  found: readonly ProcessIdentity[],
  processes: Ports['processes'],
): Promise<ProcessIdentity[]> {
  const now = await Promise.all(found.map(({ pid }) => processes.get(pid)));
  return found.filter((process, index) => isSame(process, now[index]));
}

/** A zombie holds no port and no file any more; its parent has yet to notice. */
function isSame(process: ProcessIdentity, now: ProcessInfo | undefined): boolean {
  return (
    now !== undefined && now.state !== 'Z' && now.startTicks === process.startTicks && now.bootId === process.bootId
  );
}
