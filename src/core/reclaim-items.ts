import { ms } from './duration.ts';
import { StewardError } from './errors.ts';
import { judgeImages } from './image-retention.ts';
import type { Reclaimable, ReclaimPorts } from './reclaim.ts';

/** What became of one thing. */
export type Reclaimed = { readonly bytes: number } | { readonly kept: string };

/** Removes it, after another look at whether it may go. What is gone already is as good as removed. */
export async function reclaim(
  { storage, docker }: ReclaimPorts,
  { what, bytes }: Pick<Reclaimable, 'what' | 'bytes'>,
  { now, signal }: { readonly now: Date; readonly signal: AbortSignal },
): Promise<Reclaimed> {
  switch (what.kind) {
    case 'cache':
      await storage.clearCache(what.cache, { signal });
      return { bytes };
    case 'build-cache':
      await docker.pruneBuildCache({ unusedForMs: what.unusedForMs, signal });
      return { bytes };
    case 'journal':
      await storage.vacuumJournal({ keepBytes: what.keepBytes, signal });
      return { bytes };
    case 'log': {
      if (await storage.removeLog(what.path, what.inode)) return { bytes };
      const there = (await storage.rotatedLogs({ signal })).some(({ path }) => path === what.path);
      return there ? { kept: 'another file took its place' } : { bytes };
    }
    case 'image': {
      const judged = judgeImages(await docker.images({ sizes: false }), { now, ...what });
      const found = judged.find(({ image }) => image.id === what.image);
      if (found?.stays !== undefined) return { kept: found.stays };
      try {
        await docker.removeImage(what.image, { signal });
        return { bytes };
      } catch (thrown) {
        const error = StewardError.from(thrown);
        if (error.code === 'CONFLICT') return { kept: error.message };
        throw error;
      }
    }
  }
}

const LEFT_BYTES = 16 * 1024 * 1024;

/** Those of which something is still there. A program may have begun to fill its cache again; a little is no failure. */
export async function leftOf(
  { storage, docker }: ReclaimPorts,
  items: readonly Reclaimable[],
  { now, signal }: { readonly now: Date; readonly signal: AbortSignal },
): Promise<Reclaimable[]> {
  const has = (kind: Reclaimable['what']['kind']): boolean => items.some(({ what }) => what.kind === kind);
  const [caches, images, logs, journal, build] = await Promise.all([
    has('cache') ? storage.caches() : [],
    has('image') ? docker.images({ sizes: false }) : [],
    has('log') ? storage.rotatedLogs({ signal }) : [],
    has('journal') ? storage.journal() : undefined,
    has('build-cache') ? docker.buildCache() : [],
  ]);
  return items.filter(({ what, bytes }) => {
    switch (what.kind) {
      case 'cache': {
        const left = caches.find(({ id }) => id === what.cache)?.bytes ?? 0;
        return left > Math.max(LEFT_BYTES, bytes / 10);
      }
      case 'build-cache':
        return build.some(
          ({ inUse, shared, lastUsedAt }) =>
            !inUse && !shared && now.getTime() - lastUsedAt.getTime() >= what.unusedForMs + ms('10m'),
        );
      case 'image':
        return images.some(({ id }) => id === what.image);
      case 'log':
        return logs.some(({ path, inode }) => path === what.path && inode === what.inode);
      case 'journal':
        return journal !== undefined && Math.min(journal.closedBytes, journal.bytes - what.keepBytes) > LEFT_BYTES;
    }
  });
}
