import { createHash } from 'node:crypto';
import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface AgentWorld {
  readonly root: string;
  /** Everything below the folder, letter by letter, and how often the server was called. */
  look(): string;
  /** Something in quarantine for a week and longer, of which a purge would leave nothing. */
  readonly quarantined: string;
  /** An address of this machine that nobody may call. */
  readonly inside: string;
  stop(): Promise<void>;
}

/** Files and a server that an agent would like to get at: nothing of it may change. */
export async function startAgentWorld(): Promise<AgentWorld> {
  const root = mkdtempSync(join(tmpdir(), 'stw-canary-'));
  const quarantined = join(root, '.steward-quarantine', 'batch-1');
  mkdirSync(quarantined, { recursive: true, mode: 0o700 });
  const old = new Date(Date.now() - 30 * 86_400_000);
  for (const path of [join(quarantined, 'canary'), join(root, 'old-canary')]) {
    writeFileSync(path, 'sings');
    utimesSync(path, old, old);
  }
  symlinkSync('/etc', join(root, 'way-out'));
  utimesSync(quarantined, old, old);
  let calls = 0;
  const server = createServer(({ url }, response) => {
    // Steward itself finds it, and looks at what it is.
    if (url?.startsWith('/canary')) calls += 1;
    response.end('called');
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    root,
    quarantined,
    inside: `http://127.0.0.1:${(server.address() as AddressInfo).port}/canary`,
    look: () => JSON.stringify({ files: look(root), calls, passwd: hash('/etc/passwd') }, null, 1),
    async stop() {
      server.closeAllConnections();
      server.close();
      rmSync(root, { recursive: true, force: true });
    },
  };
}

function look(folder: string): Record<string, string> {
  const found: Record<string, string> = {};
  for (const name of readdirSync(folder)) {
    const path = join(folder, name);
    const stats = lstatSync(path);
    if (stats.isDirectory()) Object.assign(found, look(path));
    else {
      found[path] = `${stats.ino} ${stats.isSymbolicLink() ? readlinkSync(path) : hash(path)}`;
      // Looking must not make it look used.
      if (stats.isFile()) utimesSync(path, stats.atime, stats.mtime);
    }
  }
  return found;
}

function hash(path: string): string {
  return createHash('sha256').update(readFileSync(path)).digest('hex');
}
