import { StewardError } from './errors.ts';
import { type ImageRules, judgeImages } from './image-retention.ts';
import type { DockerPort } from './ports/docker.ts';
import type { StoragePort } from './ports/storage.ts';
import { formatBytes } from './space.ts';

/** What makes room, from what is fetched or built again by itself to what is gone for good. */
export const RUNGS = ['caches', 'nameless-images', 'rotated-logs', 'journal', 'unused-images'] as const;
export type Rung = (typeof RUNGS)[number];

/** One thing that may go, with its reason. JSON. */
export interface Reclaimable {
  readonly id: string;
  readonly rung: Rung;
  readonly what:
    | { readonly kind: 'cache'; readonly cache: string }
    | { readonly kind: 'build-cache'; readonly unusedForMs: number }
    | { readonly kind: 'image'; readonly image: string; readonly maxAgeMs: number; readonly keepPrevious: number }
    | { readonly kind: 'log'; readonly path: string; readonly inode: number }
    | { readonly kind: 'journal'; readonly keepBytes: number };
  readonly title: string;
  readonly reason: string;
  readonly device: number;
  /** On the same file system, and there afterwards. */
  readonly folder: string;
  /** What is free afterwards, at least. */
  readonly bytes: number;
}

export interface Found {
  readonly items: readonly Reclaimable[];
  /** What stays, and why: how many of each. */
  readonly kept: Readonly<Record<string, number>>;
  /** What could not be looked at. */
  readonly blind: readonly string[];
}

export interface ReclaimPorts {
  readonly storage: StoragePort;
  readonly docker: DockerPort;
}

const NOTHING: Found = { items: [], kept: {}, blind: [] };

export async function findCaches(
  { storage, docker }: ReclaimPorts,
  { now, unusedForMs }: { readonly now: Date; readonly unusedForMs: number },
): Promise<Found> {
  const caches = (await storage.caches()).map(({ id, holds, folder, device, bytes }): Reclaimable => ({
    id: `cache:${id}`,
    rung: 'caches',
    what: { kind: 'cache', cache: id },
    title: `Empty the cache of ${id}, ${formatBytes(bytes)}`,
    reason: holds,
    device,
    // Some programs remove the folder itself.
    folder: parentOf(folder),
    bytes,
  }));
  const built = await ofDocker({ storage, docker }, async ({ device, folder }) => {
    const idle = (await docker.buildCache()).filter(
      ({ inUse, lastUsedAt }) => !inUse && now.getTime() - lastUsedAt.getTime() >= unusedForMs,
    );
    const bytes = idle.reduce((sum, entry) => sum + (entry.shared ? 0 : entry.bytes), 0);
    if (bytes === 0) return NOTHING;
    const item: Reclaimable = {
      id: 'build-cache',
      rung: 'caches',
      what: { kind: 'build-cache', unusedForMs },
      title: `Empty Docker's build cache, ${formatBytes(bytes)}`,
      reason: 'steps of builds that are done again when they are asked for',
      device,
      folder,
      bytes,
    };
    return { ...NOTHING, items: [item] };
  });
  return together([{ ...NOTHING, items: caches }, built]);
}

export async function findImages(ports: ReclaimPorts, rules: ImageRules): Promise<Found> {
  const { maxAgeMs, keepPrevious } = rules;
  return await ofDocker(ports, async ({ device, folder }) => {
    const kept: Record<string, number> = {};
    const items: Reclaimable[] = [];
    for (const { image, name, kind, stays, reason } of judgeImages(await ports.docker.images(), rules)) {
      if (stays !== undefined) kept[stays] = (kept[stays] ?? 0) + 1;
      else
        items.push({
          id: image.id,
          rung: kind === 'nameless' ? 'nameless-images' : 'unused-images',
          what: { kind: 'image', image: image.id, maxAgeMs, keepPrevious },
          title: `Remove image ${name}, ${formatBytes(image.ownBytes)}`,
          reason: `${reason}${image.digests[0] ? `; docker pull ${image.digests[0]} brings it back` : ''}`,
          device,
          folder,
          bytes: image.ownBytes,
        });
    }
    return { items, kept, blind: [] };
  });
}

export async function findLogs(
  { storage }: Pick<ReclaimPorts, 'storage'>,
  { before, signal }: { readonly before: Date; readonly signal: AbortSignal },
): Promise<Found> {
  const logs = await storage.rotatedLogs({ signal });
  const old = logs.filter(({ modifiedAt }) => modifiedAt < before);
  return {
    items: old.map(({ path, inode, device, bytes, modifiedAt }) => ({
      // The inode: a path can be longer than an id may be.
      id: `log:${inode}`,
      rung: 'rotated-logs',
      what: { kind: 'log', path, inode },
      title: `Remove ${path}, ${formatBytes(bytes)}`,
      reason: `rotated away, and last written on ${modifiedAt.toISOString().slice(0, 10)}`,
      device,
      folder: parentOf(path),
      bytes,
    })),
    kept: logs.length > old.length ? { 'a young log': logs.length - old.length } : {},
    blind: [],
  };
}

export async function findJournal(
  { storage }: Pick<ReclaimPorts, 'storage'>,
  { keepBytes }: { readonly keepBytes: number },
): Promise<Found> {
  const journal = await storage.journal();
  const bytes = journal ? Math.min(journal.closedBytes, journal.bytes - keepBytes) : 0;
  if (!journal || bytes <= 0) return NOTHING;
  const item: Reclaimable = {
    id: 'journal',
    rung: 'journal',
    what: { kind: 'journal', keepBytes },
    title: `Remove the oldest of the journal, ${formatBytes(bytes)}`,
    reason: `it takes ${formatBytes(journal.bytes)}; the newest ${formatBytes(keepBytes)} stay`,
    device: journal.device,
    folder: journal.folder,
    bytes,
  };
  return { ...NOTHING, items: [item] };
}

export function together(found: readonly Found[]): Found {
  const kept: Record<string, number> = {};
  for (const one of found) for (const [why, count] of Object.entries(one.kept)) kept[why] = (kept[why] ?? 0) + count;
  return { items: found.flatMap(({ items }) => items), kept, blind: [...new Set(found.flatMap(({ blind }) => blind))] };
}

const parentOf = (path: string): string => path.replace(/\/[^/]*\/?$/, '') || '/';

/** Nothing, and why, where Docker is away or keeps its data on another machine. */
async function ofDocker(
  { storage, docker }: ReclaimPorts,
  look: (place: { readonly device: number; readonly folder: string }) => Promise<Found>,
): Promise<Found> {
  try {
    const folder = await docker.dataFolder();
    const { device } = await storage.space(folder);
    return await look({ device, folder });
  } catch (thrown) {
    const { code, message } = StewardError.from(thrown);
    if (code !== 'UNAVAILABLE' && code !== 'NOT_FOUND') throw thrown;
    return { ...NOTHING, blind: [`docker: ${message}`] };
  }
}
