/** The bytes that SQLite locks: in the database itself, and in the shared memory file of its write-ahead log. */
const PENDING_BYTE = 0x4000_0000;
const LAST_SHARED_BYTE = PENDING_BYTE + 511;
const WAL_WRITE_BYTE = 120;

export interface Inodes {
  readonly database: number;
  readonly shm?: number | undefined;
}

/** Who holds the right to write to a database, of what /proc/locks lists; its pid, 0 where the kernel does not tell. */
export function writerOf({ database, shm }: Inodes, locks: string): number | undefined {
  for (const line of locks.split('\n')) {
    const [, type, , mode, pid, file, first, last] = line.trim().split(/\s+/);
    // What only waits for a lock is marked with an arrow, and shifts the columns.
    if ((type !== 'POSIX' && type !== 'OFDLCK') || mode !== 'WRITE' || !file) continue;
    const inode = Number(file.split(':')[2]);
    const [from, to] = [Number(first), last === 'EOF' ? Infinity : Number(last)];
    const inDatabase = inode === database && from >= PENDING_BYTE && from <= LAST_SHARED_BYTE;
    const inShm = inode === shm && from <= WAL_WRITE_BYTE && to >= WAL_WRITE_BYTE;
    if (inDatabase || inShm) return Math.max(0, Number(pid));
  }
  return undefined;
}
