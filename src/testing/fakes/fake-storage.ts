import { StewardError } from '../../core/errors.ts';
import type { Cache, RotatedLog, StoragePort } from '../../core/ports/storage.ts';

export interface FakeStorage extends StoragePort {
  /** How full the one file system is. */
  full(space: { readonly totalBytes: number; readonly usedBytes: number }): void;
  /** Something else on the machine took or gave back as much. */
  use(bytes: number): void;
  addCache(id: string, bytes: number, details?: Partial<Cache>): void;
  /** What the next clearings of that cache do: be answered with yes and not happen, or be refused. */
  onClear(id: string, behavior: 'works' | 'ignored' | 'refused'): void;
  setJournal(bytes: number): void;
  addLog(path: string, bytes: number, modifiedAt: Date, details?: Partial<RotatedLog>): void;
  exists(path: string): boolean;
}

const OPEN_JOURNAL = 8e6;

/** One file system of 100 GB in memory, three quarters full; what is removed there is free afterwards. */
export function fakeStorage(): FakeStorage {
  const caches = new Map<string, Cache>();
  const behaviors = new Map<string, 'works' | 'ignored' | 'refused'>();
  const logs = new Map<string, RotatedLog>();
  let space = { totalBytes: 100e9, usedBytes: 75e9 };
  let journal = 0;
  let inodes = 500;
  const use = (bytes: number): void => {
    space = { ...space, usedBytes: Math.max(0, space.usedBytes + bytes) };
  };
  return {
    space: async () => ({ device: 1, ...space, freeBytes: space.totalBytes - space.usedBytes }),
    caches: async () => [...caches.values()].filter(({ bytes }) => bytes > 0),
    async clearCache(id, { signal }) {
      if (signal.aborted) throw new StewardError('CANCELED', `Emptying ${id} was canceled.`);
      const cache = caches.get(id);
      const behavior = behaviors.get(id) ?? 'works';
      if (behavior === 'refused') throw new StewardError('PROGRAM_FAILED', `${id} does not empty its cache.`);
      if (!cache || behavior === 'ignored') return;
      caches.set(id, { ...cache, bytes: 0 });
      use(-cache.bytes);
    },
    journal: async () =>
      journal > 0
        ? { folder: '/var/log/journal', device: 1, bytes: journal, closedBytes: Math.max(0, journal - OPEN_JOURNAL) }
        : undefined,
    async vacuumJournal({ keepBytes }) {
      const freed = Math.max(0, Math.min(journal - OPEN_JOURNAL, journal - keepBytes));
      journal -= freed;
      use(-freed);
    },
    rotatedLogs: async () => [...logs.values()],
    async removeLog(path, inode) {
      const log = logs.get(path);
      if (log?.inode !== inode) return false;
      logs.delete(path);
      use(-log.bytes);
      return true;
    },

    full(next) {
      space = next;
    },
    use,
    addCache(id, bytes, details = {}) {
      caches.set(id, {
        id,
        holds: `what ${id} fetches again`,
        folder: `/var/cache/${id}`,
        device: 1,
        bytes,
        ...details,
      });
    },
    onClear: (id, behavior) => void behaviors.set(id, behavior),
    setJournal(bytes) {
      journal = bytes;
    },
    addLog(path, bytes, modifiedAt, details = {}) {
      logs.set(path, { path, inode: ++inodes, device: 1, bytes, modifiedAt, ...details });
    },
    exists: (path) => logs.has(path),
  };
}
