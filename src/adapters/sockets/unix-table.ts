/** A listening Unix socket of a database, as /proc/net/unix tells it. */
export interface UnixEntry {
  readonly path: string;
  readonly inode: string;
}

// Of the hundreds of listening Unix sockets of a desktop only these are a way into a service that Steward watches.
const DATABASE = /\/\.s\.PGSQL\.\d+$|\/mysqld?[^/]*\.sock$|\/mariadb[^/]*\.sock$|\/redis[^/]*\.sock$/;
const ACCEPTS = 0x1_0000;

export function parseUnixTable(text: string): UnixEntry[] {
  const entries: UnixEntry[] = [];
  for (const line of text.split('\n')) {
    if (!line.includes('/')) continue;
    const match = /^\S+: \S+ \S+ ([0-9A-F]+) \S+ \S+ +(\d+) (\/.*)$/.exec(line);
    if (!match) continue;
    const [, flags, inode, path] = match as unknown as [string, string, string, string];
    if ((Number.parseInt(flags, 16) & ACCEPTS) !== 0 && DATABASE.test(path)) entries.push({ path, inode });
  }
  return entries;
}
