import { readFileSync } from 'node:fs';

/** Names one process for good: a process id alone is given to others after its end. */
export interface ProcessIdentity {
  readonly pid: number;
  /** When it started, in clock ticks since boot; absent where there is no /proc. */
  readonly startTicks?: number | undefined;
  readonly bootId?: string | undefined;
}

export function identityOf(pid: number): ProcessIdentity {
  return { pid, startTicks: startTicks(pid), bootId: read('/proc/sys/kernel/random/boot_id') };
}

export function isAlive({ pid, startTicks: started, bootId }: ProcessIdentity): boolean {
  const current = identityOf(pid);
  if (bootId !== undefined && current.bootId !== undefined && bootId !== current.bootId) return false;
  if (started !== undefined && current.bootId !== undefined) return current.startTicks === started;
  return answersSignals(pid);
}

function startTicks(pid: number): number | undefined {
  const line = read(`/proc/${pid}/stat`);
  // The second field is the program's name in parentheses and may itself contain spaces and parentheses.
  const fields = line?.slice(line.lastIndexOf(')') + 2).split(' ');
  // A zombie has ended; only its parent has not looked yet.
  if (!fields || fields[0] === 'Z' || fields[0] === 'X') return undefined;
  return Number(fields[19]);
}

function answersSignals(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (thrown) {
    return (thrown as NodeJS.ErrnoException).code === 'EPERM';
  }
}

function read(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch {
    return undefined;
  }
}
