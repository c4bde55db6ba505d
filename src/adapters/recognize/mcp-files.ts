import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { basename, isAbsolute, join } from 'node:path';
import { parse as parseToml } from 'smol-toml';
import type { ProcessInfo } from '../../core/ports/processes.ts';
import type { ConfiguredMcpServer } from '../../core/recognizer.ts';
import { redactText } from '../../core/redact.ts';
import { readProc } from '../procfs/read.ts';
import { shown } from './talk.ts';

/** Whose files are looked at. */
export interface Home {
  readonly user: string;
  readonly uid: number;
  readonly folder: string;
}

/** Where programs that work with tool servers write them down, below a home folder. */
const PLACES = [
  '.claude.json',
  '.mcp.json',
  '.claude/settings.json',
  '.config/Claude/claude_desktop_config.json',
  '.cursor/mcp.json',
  '.vscode/mcp.json',
  '.config/Code/User/mcp.json',
  '.codeium/windsurf/mcp_config.json',
  '.config/Code - Insiders/User/mcp.json',
  '.config/Code/User/globalStorage/saoudrizwan.claude-dev/settings/cline_mcp_settings.json',
  '.config/Code/User/globalStorage/rooveterinaryinc.roo-cline/settings/mcp_settings.json',
  '.gemini/settings.json',
  '.codex/config.toml',
  '.config/zed/settings.json',
  '.lmstudio/mcp.json',
  '.aws/amazonq/mcp.json',
  '.kiro/settings/mcp.json',
];
/** Under which name the assistants keep them. */
const MEMBERS = ['mcpServers', 'servers', 'mcp_servers', 'context_servers'];
const MACHINE_WIDE = '/etc/claude-code/managed-mcp.json';
/** Below the folder of a project. */
const PROJECT_PLACES = ['.mcp.json', '.cursor/mcp.json', '.vscode/mcp.json'];
/** Such a file also keeps what an assistant remembers, and grows with it. */
const LARGEST_BYTES = 8 * 1024 * 1024;
const MOST_PROJECTS = 100;
const MOST_SERVERS = 200;
/** Programs that only start another one, which is their first argument. */
const STARTERS = new Set(['npx', 'bunx', 'uvx', 'pipx', 'deno']);

/**
 * The tool servers that configuration files name. Nothing is started, and of what they are started with only the
 * program is kept: arguments, headers and variables hold secrets.
 */
export async function readMcpFiles(
  homes: readonly Home[] = homesOf(),
  processes: readonly ProcessInfo[] = [],
): Promise<ConfiguredMcpServer[]> {
  const found: ConfiguredMcpServer[] = [];
  for (const home of homes) {
    const own = processes.filter(({ uid }) => uid === home.uid);
    const files = new Set(PLACES.map((place) => join(home.folder, place)));
    for (const file of files) {
      const content = await read(file, home.uid);
      if (content === undefined) continue;
      found.push(...serversIn(content, file, home.user, own));
      for (const [folder, project] of Object.entries(objectIn(content, 'projects')).slice(0, MOST_PROJECTS)) {
        found.push(...serversIn(project, file, home.user, own));
        if (isAbsolute(folder)) for (const place of PROJECT_PLACES) files.add(join(folder, place));
      }
    }
  }
  const shared = await read(MACHINE_WIDE, 0);
  if (shared !== undefined) found.push(...serversIn(shared, MACHINE_WIDE, 'root', []));
  const byKey = new Map(found.map((server) => [`${server.file}#${server.name}`, server]));
  return [...byKey.values()].slice(0, MOST_SERVERS);
}

/** People and root; accounts that only services run as have no assistants. */
function homesOf(): Home[] {
  return (readProc('/etc/passwd') ?? '').split('\n').flatMap((line) => {
    const [user, , uid, , , folder] = line.split(':');
    const number = Number(uid);
    const person = number === 0 || (number >= 1_000 && number < 65_534);
    return user && folder && isAbsolute(folder) && folder !== '/' && person ? [{ user, uid: number, folder }] : [];
  });
}

/**
 * JSON of a file that belongs to whoever's home it is in. Steward may be root and its reader must not be: a link, or a
 * folder on the way, could lead to somebody else's file.
 */
async function read(path: string, uid: number): Promise<unknown> {
  try {
    await using file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    const stats = await file.stat();
    if (!stats.isFile() || stats.uid !== uid || stats.size > LARGEST_BYTES) return undefined;
    const text = await file.readFile('utf8');
    return path.endsWith('.toml') ? parseToml(text) : (JSON.parse(text) as unknown);
  } catch {
    // Not there, not for this user, or no JSON: then it names no servers.
    return undefined;
  }
}

function serversIn(
  content: unknown,
  file: string,
  user: string,
  processes: readonly ProcessInfo[],
): ConfiguredMcpServer[] {
  const entries = MEMBERS.flatMap((member) => Object.entries(objectIn(content, member)));
  return entries.flatMap(([name, entry]) => {
    const server = serverOf(entry);
    if (!server) return [];
    const pid = server.transport === 'stdio' ? startedFor(entry, processes) : undefined;
    return [{ ...server, name: clean(name), user, file, ...(pid === undefined ? {} : { pid }) }];
  });
}

/** The process that runs exactly this, or what a starter made of it. Its arguments are compared here and not kept. */
function startedFor(entry: unknown, processes: readonly ProcessInfo[]): number | undefined {
  const { command = '', args = [] } = entry as { command?: string; args?: readonly unknown[] };
  const rest = args.map(String);
  const wanted = [basename(command), ...rest].join('\0');
  const first = STARTERS.has(basename(command)) ? rest.find((one) => !one.startsWith('-')) : undefined;
  const started = first?.replace(/(?<=.)@[^/]*$/, '');
  return processes.find(({ argv }) => {
    const whole = [basename(argv[0] ?? ''), ...argv.slice(1)].join('\0');
    const script = [basename(argv[1] ?? ''), ...argv.slice(2)].join('\0');
    return whole === wanted || script === wanted || (started !== undefined && argv.join(' ').includes(started));
  })?.pid;
}

function serverOf(entry: unknown): Pick<ConfiguredMcpServer, 'transport' | 'program' | 'address'> | undefined {
  if (typeof entry !== 'object' || entry === null) return undefined;
  const { command, args, url, type } = entry as Record<string, unknown>;
  if (typeof command === 'string' && command !== '') {
    const starter = basename(command);
    const first = Array.isArray(args) ? args.find((one) => typeof one === 'string' && !one.startsWith('-')) : undefined;
    const started = STARTERS.has(starter) && /^@?[\w.-]+(\/[\w.-]+)?(@[\w.-]+)?$/.test(String(first ?? ''));
    return { transport: 'stdio', program: clean(started ? `${starter} ${String(first)}` : starter) };
  }
  const address = typeof url === 'string' ? URL.parse(url) : null;
  if (!address || !/^https?:$/.test(address.protocol)) return undefined;
  // Without user, password and query.
  return { transport: type === 'sse' ? 'sse' : 'http', address: clean(`${address.origin}${address.pathname}`) };
}

function objectIn(content: unknown, member: string): Record<string, unknown> {
  const value: unknown = typeof content === 'object' && content !== null && Reflect.get(content, member);
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : {};
}

function clean(text: string): string {
  return redactText(shown(text, 200));
}
