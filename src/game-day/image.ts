import { lstat, realpath } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import type { ProgramsPort } from '../core/ports/programs.ts';
import { type ImagePart } from '../adapters/scratch/tar.ts';
import { StewardError } from '../core/errors.ts';
import { packagedBinaries } from '../store/pg-binaries.ts';

/** The folder of everything of ours in the image; discovery knows processes of a game day by it. */
export const INSIDE = '/steward-game-day';

const PROGRAMS = join(import.meta.dirname, 'programs');
/** What `pg` consists of, as npm installed it. */
const CLIENT = [
  'pg',
  'pg-connection-string',
  'pg-int8',
  'pg-pool',
  'pg-protocol',
  'pg-types',
  'pgpass',
  'postgres-array',
  'postgres-bytea',
  'postgres-date',
  'postgres-interval',
  'split2',
  'xtend',
];
/** For linking programs, or for those who write extensions; a server needs none of it. */
const NOT_TO_RUN = /\.a$|\/pkgconfig\/|\/include\//;

/**
 * What the image of the scratch stack consists of. Nothing is fetched: the Node that Steward runs on, the PostgreSQL that
 * it brings, the shell of this machine, the libraries that these three load, and the services of the stack.
 */
export async function imageParts(programs: ProgramsPort, user: { uid: number; gid: number }): Promise<ImagePart[]> {
  const postgres = await packagedBinaries();
  const shell = await realpath('/bin/sh');
  const libraries = await librariesOf(
    [process.execPath, shell, join(postgres.folder, 'bin/postgres'), join(postgres.folder, 'bin/initdb')],
    programs,
  );
  const outside = libraries.filter((path) => !path.startsWith(postgres.folder));
  return [
    { to: `${INSIDE}/node`, from: process.execPath },
    { to: '/bin/sh', from: shell },
    ...(await Promise.all(outside.map(async (path) => ({ to: path, from: await realpath(path) })))),
    { to: `${INSIDE}/pg/bin`, from: join(postgres.folder, 'bin') },
    { to: `${INSIDE}/pg/lib`, from: join(postgres.folder, 'lib'), except: NOT_TO_RUN },
    { to: `${INSIDE}/pg/share`, from: join(postgres.folder, 'share'), except: NOT_TO_RUN },
    ...(await missingLinks(postgres)),
    { to: `${INSIDE}/programs`, from: PROGRAMS },
    ...CLIENT.map((name) => ({ to: `${INSIDE}/node_modules/${name}`, from: packageFolder(name), except: /\.md$/ })),
    { to: `${INSIDE}/package.json`, text: '{"type":"module"}\n' },
    { to: '/etc/passwd', text: `root:x:0:0::/:/bin/sh\nscratch:x:${user.uid}:${user.gid}::/:/bin/sh\n` },
    { to: '/tmp', folder: true, mode: 0o1777 },
    { to: `${INSIDE}/state`, folder: true, mode: 0o700, ...user },
  ];
}

/** Links that npm cannot carry, where the install script that restores them did not run. */
async function missingLinks({ folder, links }: Awaited<ReturnType<typeof packagedBinaries>>): Promise<ImagePart[]> {
  const found = await Promise.all(
    links.map(async ({ source, target }) => {
      const at = relative('native', target);
      const there = await lstat(join(folder, at)).catch(() => undefined);
      return there ? [] : [{ to: `${INSIDE}/pg/${at}`, link: relative(dirname(target), source) }];
    }),
  );
  return found.flat();
}

/** The libraries that the loader of this machine finds for these programs, the loader itself included. */
async function librariesOf(files: readonly string[], programs: ProgramsPort): Promise<string[]> {
  const { stdout, stderr, exitCode } = await programs.run({ program: 'ldd', args: files, timeoutMs: 20_000 });
  const paths = new Set([...stdout.matchAll(/(?:=> |^\s+)(\/\S+) \(0x/gm)].flatMap(([, path]) => path ?? []));
  if (exitCode !== 0 || paths.size === 0)
    throw new StewardError('UNAVAILABLE', `What Node and PostgreSQL load cannot be found: ldd says ${stderr.trim()}`, {
      hint: 'A game day needs a Linux with glibc and its ldd (Debian: libc-bin).',
    });
  return [...paths];
}

function packageFolder(name: string): string {
  const require = createRequire(import.meta.url);
  // Some packages do not export their package.json, so the folder is found by its name in the path.
  const file = require.resolve(name, { paths: [dirname(require.resolve('pg')), import.meta.dirname] });
  return file.slice(0, file.lastIndexOf(`/node_modules/${name}/`) + `/node_modules/${name}`.length);
}
