import { StewardError } from '../../core/errors.ts';
import type { ProcessIdentity } from '../../core/ports/programs.ts';
import { readProc } from './read.ts';
import { type ProcessStat, readStat } from './stat.ts';

let known: string | undefined;

/** Changes with every boot of the machine, never in between. */
export function bootId(): string {
  known ??= readProc('/proc/sys/kernel/random/boot_id')?.trim();
  if (!known) {
    throw new StewardError(
      'UNAVAILABLE',
      'The kernel does not tell its boot id: /proc/sys/kernel/random/boot_id cannot be read.',
      {
        hint: 'Steward looks at the machine through /proc: run it on Linux with /proc mounted.',
        retryable: false,
      },
    );
  }
  return known;
}

export function identityOf(pid: number): ProcessIdentity | undefined {
  const stat = readStat(pid);
  return stat && { pid, startTicks: stat.startTicks, bootId: bootId() };
}

/** The process as it is now, where it is still this very one: not another that got its number later. */
export function statOf(identity: ProcessIdentity): ProcessStat | undefined {
  if (identity.bootId !== bootId()) return undefined;
  const stat = readStat(identity.pid);
  return stat?.startTicks === identity.startTicks ? stat : undefined;
}

/** Still running: a zombie has ended, it only waits to be collected. */
export function isAlive(identity: ProcessIdentity): boolean {
  const stat = statOf(identity);
  return stat !== undefined && stat.state !== 'Z' && stat.state !== 'X';
}
