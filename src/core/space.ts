import { z } from 'zod';
import type { Space, StoragePort } from './ports/storage.ts';
import type { CheckStatement } from './run.ts';

export interface Measured {
  readonly folder: string;
  readonly space: Space;
}

/** The file systems that things lie on, each once. */
export async function measure(storage: StoragePort, folders: Iterable<string>): Promise<Measured[]> {
  const found: Measured[] = [];
  for (const folder of new Set(folders)) {
    const space = await storage.space(folder);
    if (!found.some((other) => other.space.device === space.device)) found.push({ folder, space });
  }
  return found;
}

/** Others write meanwhile, and file systems round: a quarter, or this much, may be missing. */
const SLACK_BYTES = 64 * 1024 * 1024;

export const SpaceEvidence = z.object({
  claimedBytes: z.number(),
  gainedBytes: z.number(),
  usedPercentBefore: z.number(),
  usedPercentAfter: z.number(),
});
export type SpaceEvidence = z.output<typeof SpaceEvidence>;

/** Whether each file system itself shows what was said to be freed of it. A file that somebody holds open frees nothing. */
export async function spaceStatements(
  storage: StoragePort,
  before: readonly Measured[],
  removed: readonly { readonly device: number; readonly bytes: number }[],
): Promise<CheckStatement[]> {
  return await Promise.all(
    before.map(async ({ folder, space }) => {
      const after = await storage.space(folder);
      const claimedBytes = removed.reduce((sum, { device, bytes }) => sum + (device === space.device ? bytes : 0), 0);
      const gainedBytes = space.usedBytes - after.usedBytes;
      const evidence: SpaceEvidence = {
        claimedBytes,
        gainedBytes,
        usedPercentBefore: usedPercent(space),
        usedPercentAfter: usedPercent(after),
      };
      return {
        name: `The file system of ${folder} shows the space that was freed`,
        ok: claimedBytes === 0 || gainedBytes >= claimedBytes - Math.max(SLACK_BYTES, claimedBytes / 4),
        evidence,
      };
    }),
  );
}

/** As df shows it. */
export function usedPercent({ usedBytes, freeBytes }: Pick<Space, 'usedBytes' | 'freeBytes'>): number {
  const all = usedBytes + freeBytes;
  return all === 0 ? 0 : Math.round((usedBytes / all) * 1_000) / 10;
}

export function formatBytes(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let [value, unit] = [bytes, 0];
  for (; value >= 1_000 && unit < units.length - 1; unit += 1) value /= 1_000;
  return `${value >= 10 || unit === 0 ? Math.round(value) : Math.round(value * 10) / 10} ${units[unit]}`;
}
