import type { ProcessInfo } from '../../core/ports/processes.ts';
import { parseControlGroup } from '../procfs/cgroup.ts';
import { bootId } from '../procfs/identity.ts';
import { linkProc, readProc } from '../procfs/read.ts';
import { readStat, TICKS_PER_SECOND } from '../procfs/stat.ts';
import { userName } from '../procfs/users.ts';

const DELETED = ' (deleted)';

let bootSeconds: number | undefined;

// Wall-clock seconds of the boot. Read once: the kernel computes it from a clock that is adjusted, and a process must not
// seem to have started at another time with every look.
function bootTime(): number {
  bootSeconds ??= Number(/^btime (\d+)/m.exec(readProc('/proc/stat') ?? '')?.[1] ?? 0);
  return bootSeconds;
}

/** One process as it is; undefined where it is gone, or is a thread of the kernel. */
export function readProcess(pid: number): ProcessInfo | undefined {
  const stat = readStat(pid);
  if (!stat || stat.kernelThread) return undefined;
  const status = readProc(`/proc/${pid}/status`);
  const group = readProc(`/proc/${pid}/cgroup`);
  if (status === undefined) return undefined;
  const { unit, scope, container } = parseControlGroup(group ?? '');
  const argv = readArguments(pid);
  const uid = effectiveUid(status);
  return {
    pid,
    startTicks: stat.startTicks,
    bootId: bootId(),
    parent: stat.parent,
    uid,
    user: userName(uid),
    executable: readExecutable(pid) ?? '',
    argv: withoutPadding(argv, stat.command),
    cwd: linkProc(`/proc/${pid}/cwd`),
    state: stat.state,
    residentBytes: Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) * 1024,
    cpuSeconds: stat.cpuTicks / TICKS_PER_SECOND,
    startedAt: new Date((bootTime() + stat.startTicks / TICKS_PER_SECOND) * 1000),
    unit,
    unitScope: scope,
    container,
  };
}

/** The program's file, also where an update has replaced it since; undefined where this user may not see it. */
export function readExecutable(pid: number): string | undefined {
  const link = linkProc(`/proc/${pid}/exe`);
  return link?.endsWith(DELETED) ? link.slice(0, -DELETED.length) : link;
}

/** The arguments as the process has them in memory: an empty list for a zombie, a title and empty ones where it wrote over them. */
export function readArguments(pid: number): string[] {
  const text = readProc(`/proc/${pid}/cmdline`);
  if (!text) return [];
  return (text.endsWith('\0') ? text.slice(0, -1) : text).split('\0');
}

function withoutPadding(argv: readonly string[], command: string): readonly string[] {
  const last = argv.findLastIndex((argument) => argument !== '');
  return last < 0 ? [command] : argv.slice(0, last + 1);
}

function effectiveUid(status: string): number {
  const at = status.indexOf('\nUid:\t');
  return at < 0 ? -1 : Number(status.slice(at + 6, status.indexOf('\n', at + 6)).split('\t')[1]);
}

export function realIds(pid: number): { uid: number; gid: number } | undefined {
  const status = readProc(`/proc/${pid}/status`);
  const uid = /^Uid:\t(\d+)/m.exec(status ?? '')?.[1];
  const gid = /^Gid:\t(\d+)/m.exec(status ?? '')?.[1];
  return uid === undefined || gid === undefined ? undefined : { uid: Number(uid), gid: Number(gid) };
}
