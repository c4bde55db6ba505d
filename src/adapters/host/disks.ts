import { statfs } from 'node:fs/promises';
import type { HostSample } from '../../core/ports/host.ts';
import { readProc } from '../procfs/read.ts';

export interface Mount {
  readonly device: string;
  readonly mount: string;
}

// What no disk is behind, or what is another disk's view. NFS and its like are left out: a server that does not answer would hang the look.
const REAL = new Set([
  'ext2',
  'ext3',
  'ext4',
  'xfs',
  'btrfs',
  'zfs',
  'f2fs',
  'jfs',
  'reiserfs',
  'bcachefs',
  'vfat',
  'exfat',
  'ntfs',
  'ntfs3',
  'fuseblk',
]);

/** Mounted disks, each once, where it is mounted first. In a container the overlay at / is the disk there is. */
export function parseMounts(text: string): Mount[] {
  const mounts: Mount[] = [];
  for (const line of text.split('\n')) {
    const [device, mount, type] = line.split(' ');
    if (!device || !mount || !type) continue;
    if (!REAL.has(type) && !(mount === '/' && type === 'overlay')) continue;
    if (!mounts.some((known) => known.device === device)) mounts.push({ device, mount: unescaped(mount) });
  }
  return mounts;
}

export async function readDisks(): Promise<HostSample['disks']> {
  const found = await Promise.all(
    parseMounts(readProc('/proc/self/mounts') ?? '').map(async ({ device, mount }) => {
      try {
        const space = await statfs(mount);
        return [{ mount, device, totalBytes: space.blocks * space.bsize, freeBytes: space.bavail * space.bsize }];
      } catch {
        // Unmounted meanwhile, or below a folder this user may not enter.
        return [];
      }
    }),
  );
  return found.flat().filter(({ totalBytes }) => totalBytes > 0);
}

// Spaces and the like are written as \040.
function unescaped(path: string): string {
  return path.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}
