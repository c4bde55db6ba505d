import { setTimeout as sleep } from 'node:timers/promises';
import type { ProcessIdentity } from '../../core/ports/programs.ts';
import { bootId } from '../procfs/identity.ts';
import { processIds, readProc } from '../procfs/read.ts';
import { type ProcessStat, readStat } from '../procfs/stat.ts';
import { isRunning } from './family.ts';

/** The variable by which everything that descends from a recorded child is known again, its leader gone or not. */
export const CHILD_VARIABLE = 'STEWARD_CHILD';

export function childMark({ pid, startTicks, bootId: boot }: ProcessIdentity): string {
  return `${pid}.${startTicks}.${boot}`;
}

/** Members of a process group that still run, zombies left out. */
export function groupMembers(group: number): ProcessStat[] {
  return processIds().flatMap((pid) => {
    const stat = readStat(pid);
    return stat && stat.group === group && isRunning(stat) ? [stat] : [];
  });
}

/** Signals a whole group; false where nothing of it is left. */
export function signalGroup(group: number, signal: 'SIGTERM' | 'SIGKILL'): boolean {
  // 0 would be Steward's own group, and 1 everything.
  if (group <= 1) return false;
  try {
    process.kill(-group, signal);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
    throw error;
  }
}

/** Everything of this instant that descends from a recorded child and kept its environment, in whatever group or session it is. */
export function markedProcesses(identity: ProcessIdentity): ProcessStat[] {
  return processIds().flatMap((pid) => {
    if (!carriesMark(pid, identity)) return [];
    const stat = readStat(pid);
    return stat && isRunning(stat) ? [stat] : [];
  });
}

/**
 * Ends what is left of a recorded child's process group; true where something was. Three cases:
 * its leader still is that very process: the group is its own (it leads a session, so it cannot have changed groups), and
 * what it started in sessions of their own is ended with it;
 * the number is another process's: the kernel gives out no number that a group still bears, so the group is gone;
 * the leader is gone: its number may have been used and left behind in between, so only members that carry the
 * child's mark in their environment are ended. One whose environment cannot be read is left alone, and so is what a
 * program that ended by itself left running in a session of its own: that is how daemons are started.
 */
export async function endGroup(identity: ProcessIdentity): Promise<boolean> {
  if (identity.bootId !== bootId()) return false;
  const leader = readStat(identity.pid);
  if (leader && leader.startTicks !== identity.startTicks) return false;
  const victims = leader
    ? () => [...groupMembers(identity.pid), ...markedProcesses(identity)]
    : () => groupMembers(identity.pid).filter(({ pid }) => carriesMark(pid, identity));
  return await endAll(victims);
}

/** Ends these, and who joins them meanwhile, until none is left; true where there were any. */
export async function endAll(victims: () => readonly ProcessStat[]): Promise<boolean> {
  let remaining = victims();
  const found = remaining.length > 0;
  // Members can start others while they are being ended, so this looks again until none is left.
  for (let round = 0; remaining.length > 0 && round < 200; round++) {
    for (const { pid } of remaining) signalOne(pid, 'SIGKILL');
    await sleep(10);
    remaining = victims();
  }
  return found;
}

function carriesMark(pid: number, identity: ProcessIdentity): boolean {
  return `\0${readProc(`/proc/${pid}/environ`) ?? ''}`.includes(`\0${CHILD_VARIABLE}=${childMark(identity)}\0`);
}

/** Says nothing where it is gone already, or may not be ended by this user. */
export function signalOne(pid: number, signal: 'SIGTERM' | 'SIGKILL'): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if (!['ESRCH', 'EPERM'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
  }
}
