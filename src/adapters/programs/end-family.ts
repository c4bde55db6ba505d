import { setTimeout as sleep } from 'node:timers/promises';
import type { ProcessIdentity } from '../../core/ports/programs.ts';
import type { ProcessStat } from '../procfs/stat.ts';
import { allProcesses, type Family } from './family.ts';
import { endAll, markedProcesses, signalGroup, signalOne } from './group.ts';

const GRACE_MS = 2_000;

/**
 * Ends a program that is cut short, with all that it started: SIGTERM, and two seconds later SIGKILL for what is left.
 * What left for a session of its own is found by its parent or by its mark; only what did both, hid its mark and lost its
 * parent between two looks, is not. False where something does not die: the kernel holds what waits for a dead disk.
 */
export async function endFamily(family: Family, identity: ProcessIdentity | undefined): Promise<boolean> {
  const escaped = (): ProcessStat[] => family.members(allProcesses()).filter(({ group }) => group !== family.group);
  const marked = (): ProcessStat[] => (identity ? markedProcesses(identity) : []);

  for (const { pid } of [...escaped(), ...marked().filter(({ group }) => group !== family.group)])
    signalOne(pid, 'SIGTERM');
  signalGroup(family.group, 'SIGTERM');
  if (!(await gone(family))) {
    signalGroup(family.group, 'SIGKILL');
    await endAll(() => family.members(allProcesses()));
  }
  await endAll(marked);
  return family.members(allProcesses()).length === 0;
}

async function gone(family: Family): Promise<boolean> {
  for (const until = performance.now() + GRACE_MS; family.members(allProcesses()).length > 0; await sleep(20)) {
    if (performance.now() > until) return false;
  }
  return true;
}
