import { isAbsolute, join } from 'node:path';
import type { ProxyConfiguration } from '../../core/declared.ts';
import type { ContainerInfo } from '../../core/ports/docker.ts';
import type { ProcessInfo } from '../../core/ports/processes.ts';
import { flag, runningProxies } from '../config-files/commands.ts';
import { AS_ROOT, exists, type Reader } from '../config-files/readable.ts';
import { load } from './load.ts';
import { routesOf } from './routes.ts';

/** Where packages, images and builds keep it, the likeliest first. */
const USUAL = [
  '/etc/nginx/nginx.conf',
  '/usr/local/nginx/conf/nginx.conf',
  '/usr/local/etc/nginx/nginx.conf',
  '/usr/local/openresty/nginx/conf/nginx.conf',
];

/** What the configuration of every nginx says: of those that run, else of the one that is installed. */
export async function readNginx(world: {
  readonly processes: readonly ProcessInfo[];
  readonly containers: readonly ContainerInfo[];
}): Promise<ProxyConfiguration[]> {
  const running = runningProxies(/^(nginx|openresty)$/, world.processes, world.containers);
  const found: ProxyConfiguration[] = [];
  for (const { process, args, container, reader } of running) {
    const main = await mainFile(args, process.cwd, reader);
    if (main) found.push(await readNginxFile(main, reader, { pid: process.pid, container }));
  }
  if (running.length > 0) return found;
  const installed = await firstThere(USUAL, AS_ROOT);
  return installed ? [await readNginxFile(installed, AS_ROOT, undefined)] : [];
}

export async function readNginxFile(
  main: string,
  reader: Reader,
  owner: ProxyConfiguration['owner'],
): Promise<ProxyConfiguration> {
  const { directives, files, problems } = await load(main, reader);
  const { routes, certificates, problems: unsaid } = routesOf(directives);
  const base = main.slice(0, main.lastIndexOf('/'));
  return {
    product: 'nginx',
    source: main,
    owner,
    routes,
    certificates: certificates.map((one) => ({
      ...one,
      file: isAbsolute(one.file) ? one.file : join(base, one.file),
    })),
    files,
    problems: [...problems, ...unsaid],
  };
}

async function mainFile(args: readonly string[], cwd: string | undefined, reader: Reader): Promise<string | undefined> {
  const prefix = flag(args, '-p');
  const given = flag(args, '-c');
  if (given === undefined) {
    const candidates = prefix === undefined ? USUAL : [join(prefix, 'conf/nginx.conf'), join(prefix, 'nginx.conf')];
    return await firstThere(candidates, reader);
  }
  if (isAbsolute(given)) return given;
  const folder = prefix ?? '/usr/share/nginx';
  return await firstThere([join(folder, given), ...(cwd ? [join(cwd, given)] : []), join('/etc/nginx', given)], reader);
}

async function firstThere(paths: readonly string[], reader: Reader): Promise<string | undefined> {
  for (const path of paths) if (await exists(path, reader)) return path;
  return undefined;
}
