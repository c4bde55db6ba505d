import { isAbsolute, join } from 'node:path';
import type { FileProblem, ProxyConfiguration, ProxyRoute } from '../../core/declared.ts';
import type { ContainerInfo } from '../../core/ports/docker.ts';
import type { ProcessInfo } from '../../core/ports/processes.ts';
import type { Listener } from '../../core/ports/sockets.ts';
import { flag, runningProxies } from '../config-files/commands.ts';
import { exists, glob, readText, type Reader } from '../config-files/readable.ts';
import { parseToml } from '../config-files/toml-file.ts';
import { plainTree, type Tree } from '../config-files/tree.ts';
import { parseYaml } from '../config-files/yaml-file.ts';
import { routesOfApi } from './api.ts';
import { type EntryPoint, readDynamic } from './dynamic.ts';
import { waysOf } from '../config-files/ways.ts';
import { routesOfLabels } from './labels.ts';

const USUAL = [
  '/etc/traefik/traefik.yml',
  '/etc/traefik/traefik.yaml',
  '/etc/traefik/traefik.toml',
  '/traefik.yml',
  '/traefik.yaml',
  '/traefik.toml',
];
const MOST_FILES = 200;
const API_PORT = 8080;

/** What every Traefik that runs was told: by its files, its arguments, and the labels of containers. */
export async function readTraefik(world: {
  readonly processes: readonly ProcessInfo[];
  readonly containers: readonly ContainerInfo[];
  readonly listeners: readonly Listener[];
  readonly signal: AbortSignal;
}): Promise<ProxyConfiguration[]> {
  const running = runningProxies(/^traefik$/, world.processes, world.containers);
  return await Promise.all(
    running.map(async ({ process, args, container, reader }) => {
      const folder = process.cwd ?? '/';
      const given = flag(args, '--configFile', '--configfile', '--configFile');
      const file = given === undefined ? await firstThere(USUAL, reader) : absolute(given, folder);
      return await readTraefikFiles(file, {
        args,
        folder,
        reader,
        owner: { pid: process.pid, container },
        containers: world.containers,
        api: world.listeners.some(
          ({ protocol, port, pids, container: inside }) =>
            protocol === 'tcp' && port === API_PORT && inside === undefined && pids.includes(process.pid),
        )
          ? async (points) => await routesOfApi({ address: '127.0.0.1', port: API_PORT }, points, world.signal)
          : undefined,
      });
    }),
  );
}

export async function readTraefikFiles(
  file: string | undefined,
  given: {
    readonly args: readonly string[];
    readonly folder: string;
    readonly reader: Reader;
    readonly owner: ProxyConfiguration['owner'];
    readonly containers: readonly ContainerInfo[];
    /** Asked where this very process answers; anybody else there could tell tales. */
    readonly api?: ((points: ReadonlyMap<string, EntryPoint>) => Promise<readonly ProxyRoute[]>) | undefined;
  },
): Promise<ProxyConfiguration> {
  const { args, folder, reader, containers, owner } = given;
  const problems: FileProblem[] = [];
  const files: string[] = [];
  const read = async (path: string): Promise<Tree | undefined> => {
    if (files.length >= MOST_FILES) return undefined;
    files.push(path);
    const content = await readText(path, reader);
    if ('refused' in content) {
      problems.push({ file: path, line: 0, message: `it is not read: ${content.refused}` });
      return undefined;
    }
    if (/\{\{/.test(content.text)) {
      problems.push({ file: path, line: 1, message: 'it is a template, which only the running Traefik fills in' });
      return undefined;
    }
    const parsed = path.endsWith('.toml') ? parseToml(content.text, path) : parseYaml(content.text, path);
    problems.push(...parsed.problems);
    return parsed.problems.length > 0 ? undefined : parsed.root;
  };

  const settings: Tree[] = [treeOfArguments(args)];
  if (file !== undefined) settings.push((await read(file)) ?? plainTree(undefined, file));
  const setting = (...path: readonly string[]): Tree | undefined =>
    settings.map((root) => path.reduce((tree, name) => insensitive(tree, name), root)).find((tree) => !tree.missing);

  const points = entryPointsOf(settings);
  // One after the other: what is told of them is told in the order of their names.
  const dynamic: (Tree | undefined)[] = [];
  for (const path of await dynamicFiles(setting, folder, reader)) dynamic.push(await read(path));
  const {
    routes,
    certificates,
    problems: unsaid,
  } = readDynamic(
    // The same file may hold what is static and what is not.
    dynamic.filter((tree) => tree !== undefined),
    points,
  );
  const docker = setting('providers', 'docker');
  const labelled =
    docker && docker.text !== 'false'
      ? routesOfLabels(containers, points, insensitive(docker, 'exposedByDefault').text !== 'false')
      : { routes: [], problems: [] };
  const written = [...routes, ...labelled.routes];
  const known = new Set(written.flatMap(waysOf));
  // Lines say more than an answer does; what only the running one knows is added.
  const live = ((await given.api?.(points)) ?? []).filter((route) => !waysOf(route).every((way) => known.has(way)));
  return {
    product: 'traefik',
    source: file ?? 'the arguments of traefik',
    owner,
    routes: [...written, ...live],
    certificates,
    files,
    problems: [...problems, ...unsaid, ...labelled.problems],
  };
}

async function dynamicFiles(
  setting: (...path: readonly string[]) => Tree | undefined,
  folder: string,
  reader: Reader,
): Promise<string[]> {
  const file = setting('providers', 'file', 'filename')?.text;
  const directory = setting('providers', 'file', 'directory')?.text;
  const found = directory === undefined ? [] : await glob(join(absolute(directory, folder), '*'), reader);
  const files = found.filter((path) => /\.(ya?ml|toml)$/i.test(path));
  return [...new Set([...(file === undefined ? [] : [absolute(file, folder)]), ...files])];
}

/** Where requests come in; without any, Traefik takes them on port 80. */
function entryPointsOf(settings: readonly Tree[]): Map<string, EntryPoint> {
  const points = new Map<string, EntryPoint>();
  for (const root of settings.toReversed()) {
    for (const [name, point] of insensitive(root, 'entryPoints').entries()) {
      const port = Number(/:(\d{1,5})(?:\/\w+)?$/.exec(insensitive(point, 'address').text ?? '')?.[1]);
      const tls = !insensitive(insensitive(point, 'http'), 'tls').missing;
      if (Number.isInteger(port)) points.set(name, { port, tls });
    }
  }
  return points.size > 0 ? points : new Map([['http', { port: 80, tls: false }]]);
}

/** `--providers.docker.exposedbydefault=false` as the tree that a file would say it with. */
function treeOfArguments(args: readonly string[]): Tree {
  const root: Record<string, unknown> = {};
  for (const argument of args) {
    const [, path = '', value = 'true'] = /^--([\w.-]+)(?:=(.*))?$/s.exec(argument) ?? [];
    const names = path.split('.').filter((name) => name !== '' && name !== '__proto__');
    let table = root;
    for (const name of names.slice(0, -1)) {
      const next = table[name];
      const inner = typeof next === 'object' && next !== null ? (next as Record<string, unknown>) : {};
      table[name] = inner;
      table = inner;
    }
    const last = names.at(-1);
    if (last !== undefined && typeof table[last] !== 'object') table[last] = value;
  }
  return plainTree(root, 'arguments');
}

/** Arguments may be written in any case. */
function insensitive(tree: Tree, name: string): Tree {
  const direct = tree.get(name);
  if (!direct.missing) return direct;
  return tree.entries().find(([key]) => key.toLowerCase() === name.toLowerCase())?.[1] ?? direct;
}

function absolute(path: string, folder: string): string {
  return isAbsolute(path) ? path : join(folder, path);
}

async function firstThere(paths: readonly string[], reader: Reader): Promise<string | undefined> {
  for (const path of paths) if (await exists(path, reader)) return path;
  return undefined;
}
