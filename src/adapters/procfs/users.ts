import { statSync } from 'node:fs';
import { readProc } from './read.ts';

let names = new Map<number, string>();
let readAt = -1;

/** The name of a system user, or its number where /etc/passwd does not know it. Read again when the file changes. */
export function userName(uid: number): string {
  return names.get(uid) ?? String(uid);
}

/** Once before a series of userName(): a stat for each process would be most of the work. */
export function refreshUserNames(): void {
  const changedAt = statSync('/etc/passwd', { throwIfNoEntry: false })?.mtimeMs ?? 0;
  if (changedAt === readAt) return;
  readAt = changedAt;
  names = new Map();
  for (const line of (readProc('/etc/passwd') ?? '').split('\n')) {
    const [name, , uid] = line.split(':');
    if (name && uid && !names.has(Number(uid))) names.set(Number(uid), name);
  }
}
