import { dirname, isAbsolute, join } from 'node:path';
import type { FileProblem, Place } from '../../core/declared.ts';
import { readText, type Reader } from '../config-files/readable.ts';
import { parseYaml, type YamlNode } from '../config-files/yaml-file.ts';
import { interpolate, parseEnvironment } from './interpolate.ts';

/** One place where a service is described; a service can have several, later ones stand before earlier ones. */
export interface Layer {
  readonly node: YamlNode;
  readonly variables: ReadonlyMap<string, string>;
}

export interface ComposeFiles {
  readonly name: string | undefined;
  readonly services: ReadonlyMap<string, readonly Layer[]>;
  /** As the file calls a network, and how Docker knows it where it says so. */
  readonly networks: ReadonlyMap<string, string | undefined>;
  readonly files: readonly string[];
  readonly problems: FileProblem[];
  /** The text with its variables replaced; undefined, and a problem, where one of them is not known. */
  valueOf(text: string, place: Place, variables: ReadonlyMap<string, string>): string | undefined;
}

const MOST_FILES = 50;
const DEEPEST = 8;

/** Compose files with what they include and extend, as far as the files alone say it. */
export async function loadCompose(
  given: { readonly folder: string; readonly files: readonly string[]; readonly envFiles: readonly string[] },
  reader: Reader,
): Promise<ComposeFiles> {
  const problems: FileProblem[] = [];
  const told = new Set<string>();
  const roots = new Map<string, Promise<YamlNode | undefined>>();
  const services = new Map<string, Layer[]>();
  const networks = new Map<string, string | undefined>();
  let name: string | undefined;

  /** Gives nothing, in place of what it would have been. */
  const problem = (place: Place, message: string): undefined => {
    const key = `${place.file} ${place.line} ${message}`;
    if (told.has(key) || problems.length >= 100) return undefined;
    told.add(key);
    problems.push({ ...place, message });
    return undefined;
  };

  const rootOf = (file: string, from: Place): Promise<YamlNode | undefined> => {
    const before = roots.get(file);
    if (before) return before;
    const work = (async () => {
      if (roots.size > MOST_FILES) return problem(from, `more than ${MOST_FILES} files; ${file} is not read`);
      // Labels say where the files are, and an image can bring any label.
      if (!/\.ya?ml$/i.test(file)) return problem(from, `${file} is not read: it is not called .yaml or .yml`);
      const content = await readText(file, reader);
      if ('refused' in content) return problem(from, `${file} is not read: ${content.refused}`);
      const parsed = parseYaml(content.text, file);
      for (const each of parsed.problems) problem(each, each.message);
      return parsed.root.isMap ? parsed.root : undefined;
    })();
    roots.set(file, work);
    return work;
  };

  const valueOf = (text: string, place: Place, variables: ReadonlyMap<string, string>): string | undefined => {
    const value = interpolate(text, variables);
    if ('text' in value) return value.text;
    problem(place, `this depends on ${value.unknown.map((each) => `\${${each}}`).join(', ')}, which no .env file says`);
    return undefined;
  };

  const environment = async (
    files: readonly string[],
    inherited: ReadonlyMap<string, string>,
  ): Promise<Map<string, string>> => {
    const variables = new Map<string, string>();
    for (const file of files) {
      const content = await readText(file, reader);
      if ('text' in content) for (const [key, value] of parseEnvironment(content.text)) variables.set(key, value);
    }
    return new Map([...variables, ...inherited]);
  };

  /** The layers of a service, those that it extends first. */
  const layersOf = async (
    service: YamlNode,
    scope: { readonly root: YamlNode; readonly folder: string; readonly variables: ReadonlyMap<string, string> },
    open: readonly string[],
  ): Promise<Layer[]> => {
    const own = { node: service, variables: scope.variables };
    const extended = service.get('extends');
    if (extended.missing) return [own];
    const wanted = extended.text ?? extended.get('service').text;
    const written = extended.get('file').text;
    const path = written === undefined ? undefined : valueOf(written, extended.place, scope.variables);
    if (wanted === undefined || (written !== undefined && path === undefined)) {
      problem(extended.place, 'what is extended cannot be said');
      return [own];
    }
    const file = path === undefined ? extended.place.file : absolute(path, dirname(extended.place.file));
    const root = path === undefined ? scope.root : await rootOf(file, extended.place);
    const base = root?.get('services').get(wanted);
    const key = `${file}#${wanted}`;
    if (!root || !base?.isMap || open.includes(key) || open.length >= DEEPEST) {
      if (root)
        problem(extended.place, open.includes(key) ? `${wanted} extends itself` : `${file} has no service ${wanted}`);
      return [own];
    }
    return [...(await layersOf(base, { ...scope, root }, [...open, key])), own];
  };

  const addFile = async (
    file: string,
    folder: string,
    variables: ReadonlyMap<string, string>,
    open: readonly string[],
    from: Place,
  ): Promise<void> => {
    const root = await rootOf(file, from);
    if (!root) return;
    for (const included of root.get('include').items()) await include(included, folder, variables, open);
    const named = root.get('name');
    if (named.text !== undefined && open.length === 1) name = valueOf(named.text, named.place, variables) ?? name;
    for (const [key, network] of root.get('networks').entries()) {
      const called = network.get('name');
      networks.set(key, called.text === undefined ? networks.get(key) : valueOf(called.text, called.place, variables));
    }
    for (const [key, service] of root.get('services').entries()) {
      if (!service.isMap) continue;
      const layers = await layersOf(service, { root, folder, variables }, [`${file}#${key}`]);
      services.set(key, [...(services.get(key) ?? []), ...layers]);
    }
  };

  const include = async (
    node: YamlNode,
    folder: string,
    variables: ReadonlyMap<string, string>,
    open: readonly string[],
  ): Promise<void> => {
    const paths = (node.isMap ? node.get('path') : node).texts().flatMap(({ text, place }) => {
      const path = valueOf(text, place, variables);
      return path === undefined ? [] : [absolute(path, folder)];
    });
    const [first] = paths;
    if (!first) {
      problem(node.place, 'what is included cannot be said');
      return;
    }
    const given = node.get('project_directory').text;
    const theirs = given === undefined ? dirname(first) : absolute(given, folder);
    const envFiles = node
      .get('env_file')
      .texts()
      .map(({ text }) => absolute(text, folder));
    const known = await environment(envFiles.length > 0 ? envFiles : [join(theirs, '.env')], variables);
    for (const path of paths) {
      if (open.includes(path) || open.length >= DEEPEST)
        problem(
          node.place,
          open.includes(path) ? `${path} includes itself` : `files include each other deeper than ${DEEPEST}`,
        );
      else await addFile(path, theirs, known, [...open, path], node.place);
    }
  };

  const variables = await environment(given.envFiles, new Map());
  for (const file of given.files) await addFile(file, given.folder, variables, [file], { file, line: 0 });
  return { name, services, networks, files: [...roots.keys()], problems, valueOf };
}

function absolute(path: string, folder: string): string {
  return isAbsolute(path) ? path : join(folder, path);
}
