import { open, readdir, readlink } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import type { SeenForBackups } from '../../core/backup/propose.ts';
import { StewardError } from '../../core/errors.ts';
import type { Resource } from '../../core/resource.ts';
import { addressOfContainer } from '../docker/address.ts';
import { connect, DEFAULT_HOST } from '../docker/connect.ts';

const SQLITE_NAME = /\.(db|db3|sqlite|sqlite3|s3db)$/i;
const SQLITE_HEADER = 'SQLite format 3\0';
const UNITS = '/etc/systemd/system';
const CERTIFICATES = ['/etc/letsencrypt', '/etc/ssl/private'];
const MCP_FILES = ['.mcp.json', '.claude.json', '.claude/CLAUDE.md'];
const MOST = 200;

/** What lies on this machine beside its services and could be copied. What cannot be looked at is not seen. */
export async function seeForBackups(
  resources: readonly Resource[],
  dockerHost: string | undefined,
): Promise<SeenForBackups> {
  const [sqlite, unreachable, volumes, units, mcpFiles, certificates] = await Promise.all([
    openSqlite(resources),
    unreachableOf(resources, dockerHost),
    volumesOf(dockerHost ?? DEFAULT_HOST).catch(() => []),
    unitFiles(),
    filled(MCP_FILES.map((name) => join(homedir(), name))),
    filled(CERTIFICATES),
  ]);
  return { sqlite, unreachable, volumes, units, mcpFiles, certificates };
}

async function openSqlite(resources: readonly Resource[]): Promise<SeenForBackups['sqlite']> {
  const found = new Map<string, string>();
  for (const { pids, name } of resources) {
    for (const pid of pids) {
      const folder = `/proc/${pid}/fd`;
      for (const descriptor of await readdir(folder).catch(() => [])) {
        const path = await readlink(join(folder, descriptor)).catch(() => '');
        if (found.size < MOST && SQLITE_NAME.test(path) && !found.has(path) && (await isSqlite(path)))
          found.set(path, name);
      }
    }
  }
  return [...found].map(([path, by]) => ({ path, by }));
}

async function isSqlite(path: string): Promise<boolean> {
  try {
    await using file = await open(path, 'r');
    const { buffer, bytesRead } = await file.read(Buffer.alloc(SQLITE_HEADER.length), 0, SQLITE_HEADER.length, 0);
    return bytesRead === SQLITE_HEADER.length && buffer.toString('latin1') === SQLITE_HEADER;
  } catch {
    return false;
  }
}

/** Of the containers that listen on nothing that was seen: one whose server only starts, or that was not looked into, can be reached. */
async function unreachableOf(
  resources: readonly Resource[],
  dockerHost: string | undefined,
): Promise<SeenForBackups['unreachable']> {
  const found = await Promise.all(
    resources.slice(0, MOST).map(async ({ supervisor, endpoints }) => {
      if (supervisor.kind !== 'docker' || endpoints.length > 0) return undefined;
      try {
        await addressOfContainer(supervisor.name, dockerHost);
        return undefined;
      } catch (thrown) {
        const { code, message, hint } = StewardError.from(thrown);
        return code === 'PRECONDITION_FAILED' ? { container: supervisor.name, todo: `${message} ${hint}` } : undefined;
      }
    }),
  );
  return found.filter((each) => each !== undefined);
}

async function volumesOf(host: string): Promise<SeenForBackups['volumes']> {
  const docker = connect(host);
  const [{ Volumes: volumes }, containers] = await Promise.all([
    docker.listVolumes(),
    docker.listContainers({ all: true }),
  ]);
  return (volumes ?? []).slice(0, MOST).map(({ Name: name }) => ({
    name,
    images: [
      ...new Set(
        containers
          .filter(({ Mounts: mounts }) => mounts.some((mount) => mount.Type === 'volume' && mount.Name === name))
          .map(({ Image }) => Image),
      ),
    ],
  }));
}

/** Those that an administrator wrote; what is linked there belongs to a package. */
async function unitFiles(): Promise<readonly string[]> {
  const entries = await readdir(UNITS, { withFileTypes: true }).catch(() => []);
  return entries
    .filter((entry) => entry.isFile() && /\.(service|timer)$/.test(entry.name))
    .slice(0, MOST)
    .map(({ name }) => join(UNITS, name));
}

/** Of these paths, files that are there and folders with something in them. */
async function filled(paths: readonly string[]): Promise<readonly string[]> {
  const there = await Promise.all(
    paths.map(async (path) => {
      const inside = await readdir(path).catch((thrown: NodeJS.ErrnoException) => thrown.code === 'ENOTDIR');
      return inside === true || (Array.isArray(inside) && inside.length > 0);
    }),
  );
  return paths.filter((_path, index) => there[index]);
}
