import { type Dirent, lstatSync, readdirSync } from 'node:fs';
import { byName } from '../order.ts';
import type { Apart, ApartJob } from './apart.ts';
import { createExcluder } from './patterns.ts';
import { isSqlite, mayBeSqlite } from './sqlite-file.ts';
import { ownJob, send } from './thread-side.ts';
import { kernelMounts } from './walk.ts';

/** By what lies in its folder: all of these names. */
const SERVERS: readonly (readonly [of: string, names: readonly string[]])[] = [
  ['PostgreSQL', ['PG_VERSION', 'global']],
  ['MariaDB or MySQL', ['ibdata1']],
  ['MongoDB', ['WiredTiger']],
  ['ClickHouse', ['store', 'metadata']],
  ['Redis', ['dump.rdb']],
  ['Redis', ['appendonlydir']],
  ['Redis', ['appendonly.aof']],
  ['Prometheus', ['chunks_head', 'wal']],
  ['Elasticsearch or OpenSearch', ['_state', 'node.lock']],
  ['LMDB', ['data.mdb', 'lock.mdb']],
  ['RocksDB or LevelDB', ['CURRENT', 'LOCK']],
];

send(look(ownJob as ApartJob) satisfies Apart);

function look({ roots, exclude, named }: ApartJob): Apart {
  const [excluded, byPath] = [createExcluder(exclude), createExcluder(named)];
  const kernel = new Set(kernelMounts());
  const specials = [...kernel];
  const databases: string[] = [];
  const servers: { path: string; of: string }[] = [];
  const waiting = roots.filter((root) => !excluded(root));
  for (const root of waiting) if (sizeOf(root, (size) => mayBeSqlite(size) && isSqlite(root))) databases.push(root);
  for (let folder = waiting.pop(); folder !== undefined; folder = waiting.pop()) {
    if (kernel.has(folder)) continue;
    const entries = entriesOf(folder);
    const names = new Set(entries.map(({ name }) => name));
    const server = SERVERS.find(([, signs]) => signs.every((sign) => names.has(sign)));
    // What a server has below is its own.
    if (server && !servers.some(({ path }) => folder?.startsWith(`${path}/`)))
      servers.push({ path: folder, of: server[0] });
    for (const entry of entries) {
      const path = folder === '/' ? `/${entry.name}` : `${folder}/${entry.name}`;
      if (byPath(path)) specials.push(path);
      else if (entry.isSymbolicLink() || excluded(path)) continue;
      else if (entry.isDirectory()) waiting.push(path);
      else if (!entry.isFile()) specials.push(path);
      else if (sizeOf(path, (size) => mayBeSqlite(size) && isSqlite(path))) databases.push(path);
    }
  }
  return { specials, databases: databases.toSorted(byName), servers };
}

function sizeOf(path: string, asked: (size: number) => boolean): boolean {
  try {
    const stats = lstatSync(path);
    return stats.isFile() && asked(stats.size);
  } catch {
    // It went, or may not be looked at, which the walk tells.
    return false;
  }
}

function entriesOf(folder: string): Dirent[] {
  try {
    return readdirSync(folder, { withFileTypes: true });
  } catch {
    // A file, or one that may not be looked into, which the walk tells.
    return [];
  }
}
