import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { basename, dirname, isAbsolute, join } from 'node:path';
import type { AppName } from '../../core/recognizer.ts';

const INTERPRETER = /^(node|nodejs|bun|deno|python[\d.]*|ruby[\d.]*|perl[\d.]*|php[\d.]*|java)$/;
const MAX_MANIFEST = 64 * 1024;

/** The script or module that an interpreter was told to run; undefined for code on the command line. */
export function scriptOf(argv: readonly string[]): { kind: 'script' | 'module'; value: string } | undefined {
  if (!INTERPRETER.test(basename(argv[0] ?? ''))) return undefined;
  for (let index = 1; index < argv.length; index += 1) {
    const argument = argv[index] ?? '';
    if (/^(-e|-c|-p|--eval|--print|-)$/.test(argument)) return undefined;
    if (argument === '-m' || argument === '-jar') {
      const value = argv[index + 1];
      return value ? { kind: argument === '-m' ? 'module' : 'script', value } : undefined;
    }
    if (/^(-r|--require|--import|--loader|--experimental-loader|-W|-X|-cp|-classpath|--env-file)$/.test(argument)) {
      index += 1;
      continue;
    }
    if (!argument.startsWith('-')) return { kind: 'script', value: argument };
  }
  return undefined;
}

/** Code on the command line belongs to no package, whatever folder it runs in; nor does another language's script. */
function mayHavePackage(argv: readonly string[]): boolean {
  const program = basename(argv[0] ?? '');
  if (!INTERPRETER.test(program)) return true;
  return /^(node|nodejs|bun|deno)$/.test(program) && scriptOf(argv) !== undefined;
}

/** Reads through /proc/<pid>, so that a process in a container is read in its own file system. */
export async function readAppName(process: { pid: number; argv: readonly string[] }): Promise<AppName | undefined> {
  const script = scriptOf(process.argv);
  const root = `/proc/${process.pid}/root`;
  const cwd = `/proc/${process.pid}/cwd`;
  const folder =
    script?.kind === 'script'
      ? dirname(isAbsolute(script.value) ? join(root, script.value) : join(cwd, script.value))
      : undefined;
  const places = folder ? [folder, join(folder, '..'), join(folder, '../..'), cwd] : [cwd];
  for (const place of mayHavePackage(process.argv) ? places : []) {
    const manifest = await readManifest(join(place, 'package.json'));
    if (manifest) return manifest;
  }
  if (!script) return undefined;
  return {
    name:
      script.kind === 'module' ? script.value : basename(script.value).replace(/\.(m|c)?[jt]s$|\.py$|\.rb$|\.jar$/, ''),
    from: script.kind,
  };
}

async function readManifest(path: string): Promise<AppName | undefined> {
  try {
    // A named pipe or a device in that place must not hold the scan up.
    await using file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW);
    const { size } = await file.stat();
    if (size === 0 || size > MAX_MANIFEST) return undefined;
    const manifest: unknown = JSON.parse(await file.readFile('utf8'));
    if (typeof manifest !== 'object' || manifest === null) return undefined;
    const { name, version } = manifest as { name?: unknown; version?: unknown };
    if (typeof name !== 'string' || name === '') return undefined;
    return {
      name: name.slice(0, 100),
      from: 'package',
      ...(typeof version === 'string' && version !== '' ? { version: version.slice(0, 40) } : {}),
    };
  } catch {
    return undefined;
  }
}
