import { statfs } from 'node:fs/promises';
import type { DiskSpace } from '../../core/ports/gauges.ts';
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

export async function readDisks(): Promise<DiskSpace[]> {
  const found = await Promise.all(
    parseMounts(readProc('/proc/self/mounts') ?? '').map(({ device, mount }) =>
      // Unmounted meanwhile, or below a folder this user may not enter.
      spaceOf(mount, { device, mount }).catch(() => undefined),
    ),
  );
  return found.filter((disk) => disk !== undefined && disk.totalBytes > 0) as DiskSpace[];
}

/** Rejects where the path cannot be looked at. */
export async function spaceOf(path: string, { device, mount }: Mount): Promise<DiskSpace> {
  const space = await statfs(path);
  return {
    mount,
    device,
    totalBytes: space.blocks * space.bsize,
    usedBytes: (space.blocks - space.bfree) * space.bsize,
    freeBytes: space.bavail * space.bsize,
    totalInodes: space.files,
    freeInodes: space.ffree,
  };
}

export interface MountedAt extends Mount {
  readonly type: string;
}

/** The mount that a path is below; of several at one place the last, which hides the others. */
export function mountOf(path: string, text: string): MountedAt | undefined {
  let found: MountedAt | undefined;
  for (const line of text.split('\n')) {
    const [device, escaped, type] = line.split(' ');
    if (!device || !escaped || !type) continue;
    const mount = unescaped(escaped);
    const covers = path === mount || path.startsWith(mount.endsWith('/') ? mount : `${mount}/`);
    if (covers && mount.length >= (found?.mount.length ?? 0)) found = { device, mount, type };
  }
  return found;
}

const OVER_THE_NETWORK =
  /^(nfs\d?|cifs|smb\d?|smbfs|ceph|glusterfs|afs|lustre|ocfs2|gfs2|beegfs|fuse\.(sshfs|s3fs|rclone|glusterfs|ceph.*))$/;

export function isOverTheNetwork(type: string): boolean {
  return OVER_THE_NETWORK.test(type);
}

// Spaces and the like are written as \040.
function unescaped(path: string): string {
  return path.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}
