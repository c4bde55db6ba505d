import { isAbsolute, join } from 'node:path';
import type { ProxyConfiguration } from '../../core/declared.ts';
import type { ContainerInfo } from '../../core/ports/docker.ts';
import type { ProcessInfo } from '../../core/ports/processes.ts';
import type { Listener } from '../../core/ports/sockets.ts';
import { flag, type RunningProxy, runningProxies } from '../config-files/commands.ts';
import { AS_ROOT, exists, readText, type Reader } from '../config-files/readable.ts';
import { plainTree, type Tree } from '../config-files/tree.ts';
import { waysOf } from '../config-files/ways.ts';
import { askJson } from '../recognize/ask-json.ts';
import { routesOfJson } from './json.ts';
import { loadCaddyfile } from './load.ts';
import { routesOfCaddyfile } from './routes.ts';

const USUAL = ['/etc/caddy/Caddyfile'];
const ADMIN_PORT = 2019;

/** What every Caddy that runs was told: by its Caddyfile, and by what its admin address answers. */
export async function readCaddy(world: {
  readonly processes: readonly ProcessInfo[];
  readonly containers: readonly ContainerInfo[];
  readonly listeners: readonly Listener[];
  readonly signal: AbortSignal;
}): Promise<ProxyConfiguration[]> {
  const running = runningProxies(/^caddy$/, world.processes, world.containers).filter(
    ({ args }) => !args.includes('adapt') && !args.includes('validate'),
  );
  const found = await Promise.all(
    running.map(async (proxy) => {
      const owner = { pid: proxy.process.pid, container: proxy.container };
      const file = await mainFile(proxy);
      const written = file === undefined ? undefined : await readCaddyFile(file, proxy.reader, owner);
      const live = await askAdmin(proxy, world);
      if (!live) return written;
      const source = `http://127.0.0.1:${ADMIN_PORT}/config/`;
      const { routes, certificates } = routesOfJson(plainTree(live, source));
      if (!written) return { product: 'caddy' as const, source, owner, routes, certificates, files: [], problems: [] };
      // Lines say more than an answer does; what only the running one knows is added.
      const known = new Set(written.routes.flatMap(waysOf));
      return {
        ...written,
        routes: [...written.routes, ...routes.filter((route) => !waysOf(route).every((way) => known.has(way)))],
      };
    }),
  );
  if (running.length > 0) return found.filter((one) => one !== undefined);
  const installed = await firstThere(USUAL, AS_ROOT);
  return installed === undefined ? [] : [await readCaddyFile(installed, AS_ROOT, undefined)];
}

/** A Caddyfile, or a file in Caddy's own form. */
export async function readCaddyFile(
  file: string,
  reader: Reader,
  owner: ProxyConfiguration['owner'],
): Promise<ProxyConfiguration> {
  const about = { product: 'caddy', source: file, owner } as const;
  if (!file.endsWith('.json')) {
    const loaded = await loadCaddyfile(file, reader);
    return { ...about, ...routesOfCaddyfile(loaded), files: loaded.files };
  }
  const content = await readText(file, reader);
  const nothing = { ...about, routes: [], certificates: [], files: [file] };
  if ('refused' in content)
    return { ...nothing, problems: [{ file, line: 0, message: `it is not read: ${content.refused}` }] };
  try {
    const root: Tree = plainTree(JSON.parse(content.text), file);
    return { ...about, ...routesOfJson(root), files: [file], problems: [] };
  } catch {
    return { ...nothing, problems: [{ file, line: 0, message: 'this is no valid JSON' }] };
  }
}

/** Its admin address, where this very process listens there: anybody else who answers there could tell tales. */
async function askAdmin(
  { process }: RunningProxy,
  { listeners, signal }: { readonly listeners: readonly Listener[]; readonly signal: AbortSignal },
): Promise<unknown> {
  const own = listeners.some(
    ({ protocol, port, pids, container }) =>
      protocol === 'tcp' && port === ADMIN_PORT && container === undefined && pids.includes(process.pid),
  );
  return own ? await askJson({ address: '127.0.0.1', port: ADMIN_PORT }, '/config/', signal) : undefined;
}

async function mainFile({ args, process, reader }: RunningProxy): Promise<string | undefined> {
  const given = flag(args, '--config', '-config', '-c');
  const folder = process.cwd ?? '/';
  if (given !== undefined) return isAbsolute(given) ? given : join(folder, given);
  return await firstThere([...USUAL, join(folder, 'Caddyfile')], reader);
}

async function firstThere(paths: readonly string[], reader: Reader): Promise<string | undefined> {
  for (const path of paths) if (await exists(path, reader)) return path;
  return undefined;
}
