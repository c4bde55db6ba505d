import { hostname } from 'node:os';
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

export function holderOf(node: string): Holder {
  const { pid, startTicks } = identityOf(process.pid) ?? { pid: process.pid, startTicks: 0 };
  return { node, host: hostname(), pid, startTicks, bootId: bootId(), pidSpace: pidSpace() };
}

/** 'unknown' for whom this process cannot see: on another machine, or in another container. */
export function lifeOf(holder: Holder, self: Holder): RepositoryLock['alive'] {
  // A machine has one boot at a time: what ran before it is gone.
  if (holder.bootId !== self.bootId) return holder.node === self.node && holder.host === self.host ? 'no' : 'unknown';
  if (holder.pidSpace !== self.pidSpace) return 'unknown';
  return isAlive(holder) ? 'yes' : 'no';
}

export function isSameProcess(one: Holder | undefined, other: Holder): boolean {
  return isDeepStrictEqual(one, other);
}

export function describeHolder({ pid, host, node }: Holder): string {
  return `process ${pid} on ${host} (node ${node})`;
}

function pidSpace(): string {
  return linkProc('/proc/self/ns/pid') ?? '';
}
