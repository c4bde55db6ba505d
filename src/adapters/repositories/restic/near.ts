import { statfs } from 'node:fs/promises';

/** What the kernel calls NFS, NCP, SMB 1 to 3, 9P, Ceph, AFS, and FUSE, behind which anything may be. */
const FAR = new Set([0x6969, 0x564c, 0x517b, 0xff534d42, 0xfe534d42, 0x01021997, 0x00c36400, 0x5346414f, 0x65735546]);

/**
 * Whether a folder is on a disk of this machine. restic keeps the index and the trees of a repository in a cache: of one that is
 * near all of them would be written twice, and read no faster.
 */
export async function isNear(folder: string): Promise<boolean> {
  return await statfs(folder).then(
    ({ type }) => !FAR.has(type >>> 0),
    () => false,
  );
}
