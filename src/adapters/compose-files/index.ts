import { basename, isAbsolute, join } from 'node:path';
import type { ComposeProject } from '../../core/declared.ts';
import type { ContainerInfo } from '../../core/ports/docker.ts';
import { AS_ROOT, exists, readText } from '../config-files/readable.ts';
import { parseEnvironment } from './interpolate.ts';
import { loadCompose } from './load.ts';
import { serviceOf } from './services.ts';

interface Given {
  /** Undefined where the files decide. */
  readonly name: string | undefined;
  readonly folder: string;
  readonly files: readonly string[];
  readonly envFiles: readonly string[];
}

const LABEL = 'com.docker.compose.project';
/** What Compose looks for in a folder, in its order. */
const USUAL = ['compose.yaml', 'compose.yml', 'docker-compose.yml', 'docker-compose.yaml'];
const MOST_PROJECTS = 200;

/** The projects whose containers say where their files are, and those in folders that somebody named. */
export async function readComposeProjects(
  containers: readonly ContainerInfo[],
  folders: readonly string[],
): Promise<ComposeProject[]> {
  const given = new Map<string, Given>();
  for (const { labels } of containers) {
    const name = labels[LABEL];
    const folder = labels[`${LABEL}.working_dir`] ?? '';
    const files = pathsIn(labels[`${LABEL}.config_files`], folder);
    if (!name || !isAbsolute(folder) || files.length === 0) continue;
    const environment = pathsIn(labels[`${LABEL}.environment_file`], folder);
    const key = `${name} ${files.join(',')}`;
    given.set(key, { name, folder, files, envFiles: environment.length > 0 ? environment : [join(folder, '.env')] });
  }
  for (const folder of folders) {
    const files = await filesIn(folder);
    const covered = [...given.values()].some((other) => files[0] !== undefined && other.files.includes(files[0]));
    if (files.length > 0 && !covered)
      given.set(folder, { name: undefined, folder, files, envFiles: [join(folder, '.env')] });
  }
  return await Promise.all([...given.values()].slice(0, MOST_PROJECTS).map(readComposeProject));
}

async function readComposeProject(given: Given): Promise<ComposeProject> {
  const files = await loadCompose(given, AS_ROOT);
  const services = [...files.services].map(([name, layers]) => serviceOf(name, layers, files));
  return {
    name:
      given.name ??
      projectName(
        files.name ?? (await environmentOf(given.folder)).get('COMPOSE_PROJECT_NAME') ?? basename(given.folder),
      ),
    folder: given.folder,
    files: files.files,
    services,
    problems: files.problems,
  };
}

/** As Compose makes one of the name of a folder. */
function projectName(text: string): string {
  return text
    .toLowerCase()
    .replace(/[^a-z0-9_-]/g, '')
    .replace(/^[_-]+/, '');
}

async function filesIn(folder: string): Promise<string[]> {
  const named = (await environmentOf(folder)).get('COMPOSE_FILE');
  if (named) return pathsIn(named.replaceAll(':', ','), folder);
  for (const name of USUAL) {
    const file = join(folder, name);
    if (!(await exists(file, AS_ROOT))) continue;
    const override = USUAL.map((usual) => join(folder, usual.replace(/(\.ya?ml)$/, '.override$1')));
    const present = await Promise.all(override.map(async (each) => await exists(each, AS_ROOT)));
    const first = override.find((_, index) => present[index]);
    return first ? [file, first] : [file];
  }
  return [];
}

async function environmentOf(folder: string): Promise<Map<string, string>> {
  const content = await readText(join(folder, '.env'), AS_ROOT);
  return 'text' in content ? parseEnvironment(content.text) : new Map();
}

function pathsIn(text: string | undefined, folder: string): string[] {
  const paths = (text ?? '').split(',').map((path) => path.trim());
  return paths
    .filter((path) => path !== '' && path !== '-')
    .map((path) => (isAbsolute(path) ? path : join(folder, path)));
}
