import { appendFileSync, readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import { bootId, identityOf, isAlive } from '../procfs/identity.ts';
import { linkProc } from '../procfs/read.ts';
import type { RepositoryLock } from '../../core/backup/store.ts';

/** The process that makes a copy, in words that another process can judge. */
export const Holder = z.object({
  node: z.string(),
  host: z.string(),
  pid: z.number().int(),
  startTicks: z.number().int(),
  bootId: z.string(),
  /** Containers of one machine share the boot id, and each counts its processes for itself. */
  pidSpace: z.string(),
});
export type Holder = z.output<typeof Holder>;

/** This process, and the boots that its home has lived through. */
export interface Self {
  readonly holder: Holder;
  readonly boots: ReadonlySet<string>;
}

export function selfOf({ node, home }: { readonly node: string; readonly home: string }): Self {
  const { pid, startTicks } = identityOf(process.pid) ?? { pid: process.pid, startTicks: 0 };
  const holder = { node, host: hostname(), pid, startTicks, bootId: bootId(), pidSpace: pidSpace() };
  return { holder, boots: bootsOf(home, holder.bootId) };
}

/** 'unknown' for whom this process cannot see: on another machine, or in another container. */
export function lifeOf(holder: Holder, { holder: self, boots }: Self): RepositoryLock['alive'] {
  // A machine has one boot at a time: what ran in an earlier one is gone. Names tell no machines apart.
  if (holder.bootId !== self.bootId) return boots.has(holder.bootId) ? 'no' : 'unknown';
  if (holder.pidSpace !== self.pidSpace) return 'unknown';
  return isAlive(holder) ? 'yes' : 'no';
}

export function isSameProcess(one: Holder | undefined, other: Holder): boolean {
  return isDeepStrictEqual(one, other);
}

export function describeHolder({ pid, host, node }: Holder): string {
  return `process ${pid} on ${host} (node ${node})`;
}

const BOOTS = 'boots';

/** Written a line a boot. Where that cannot be kept, what an earlier boot left is taken for unknown. */
function bootsOf(home: string, now: string): ReadonlySet<string> {
  const path = join(home, BOOTS);
  const known = new Set<string>();
  try {
    for (const boot of readFileSync(path, 'utf8').split('\n')) if (boot !== '') known.add(boot);
  } catch {
    // The first one.
  }
  try {
    if (!known.has(now)) appendFileSync(path, `${now}\n`, { mode: 0o600 });
  } catch {
    // It stays unknown.
  }
  return known;
}

function pidSpace(): string {
  return linkProc('/proc/self/ns/pid') ?? '';
}
