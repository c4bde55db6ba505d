import { access, constants, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { StewardError } from '../../../core/errors.ts';
import type { ProgramsPort } from '../../../core/ports/programs.ts';
import type { Doing } from '../../../core/backup/store.ts';

/** Programs of one version of PostgreSQL, in one folder. */
export interface PgTools {
  readonly folder: string;
  readonly major: number;
  readonly version: string;
  program(name: 'pg_dump' | 'pg_dumpall' | 'pg_restore' | 'psql' | 'initdb' | 'postgres'): string;
}

/** Folders where systems put several versions beside each other. */
const ROOTS = [
  { root: '/usr/lib/postgresql', bin: (version: string) => join(version, 'bin') },
  { root: '/usr', bin: (name: string) => (/^pgsql-\d+$/.test(name) ? join(name, 'bin') : undefined) },
];

const SERVER = ['initdb', 'postgres', 'pg_dump', 'pg_restore', 'psql'];
const CLIENT = ['pg_dump', 'pg_dumpall', 'pg_restore', 'psql'];

export type FindTools = (needs: { readonly server: number; readonly own: boolean }, doing: Doing) => Promise<PgTools>;

/**
 * Of what is installed, the oldest version that can read a server of this one: what it writes can be restored to it.
 * `own`: with a server of its own. PRECONDITION_FAILED names what to install.
 */
export function findTools(programs: ProgramsPort, folders: () => Promise<readonly string[]>): FindTools {
  return async ({ server, own }, { signal }) => {
    const needed = own ? SERVER : CLIENT;
    const found: PgTools[] = [];
    for (const folder of await folders()) {
      if (!(await hasAll(folder, needed))) continue;
      const { stdout } = await programs.run({
        program: join(folder, 'pg_restore'),
        args: ['--version'],
        timeoutMs: 10_000,
        signal,
      });
      const version = /\(PostgreSQL\) (\S+)/.exec(stdout)?.[1];
      if (version !== undefined)
        found.push({ folder, version, major: Number.parseInt(version, 10), program: (name) => join(folder, name) });
    }
    const best = found.filter(({ major }) => major >= server).toSorted((a, b) => a.major - b.major)[0];
    if (best) return best;
    const there = found.map(({ version }) => version).join(', ');
    const missing = own ? `postgresql-${server}` : `postgresql-client-${server}`;
    throw new StewardError(
      'PRECONDITION_FAILED',
      there === ''
        ? `${needed.join(', ')} of PostgreSQL are not installed on this machine.`
        : `The server is PostgreSQL ${server}, and the programs on this machine are ${there}: an older pg_dump cannot read a newer server.`,
      { hint: `Install them: apt-get install ${missing}` },
    );
  };
}

/** Where programs of PostgreSQL are on this machine; where several versions are, each has a folder. */
export async function postgresFolders(): Promise<string[]> {
  const folders: string[] = [];
  for (const { root, bin } of ROOTS) {
    const names = await readdir(root).catch(() => []);
    for (const name of names.toSorted()) {
      const below = bin(name);
      if (below !== undefined) folders.push(join(root, below));
    }
  }
  return [...folders, '/usr/local/bin', '/usr/bin'];
}

const STDBUF = '/usr/bin/stdbuf';

/** pg_dump as one that writes as much at once as a pipe takes: by itself it writes 4 KB, and a third of its work are the calls. */
export async function pgDump(
  tools: PgTools,
  args: readonly string[],
): Promise<{ readonly program: string; readonly args: readonly string[] }> {
  const program = tools.program('pg_dump');
  const buffered = await access(STDBUF, constants.X_OK).then(
    () => true,
    () => false,
  );
  return buffered ? { program: STDBUF, args: ['-o64K', program, ...args] } : { program, args };
}

async function hasAll(folder: string, names: readonly string[]): Promise<boolean> {
  const looks = await Promise.allSettled(names.map((name) => access(join(folder, name), constants.X_OK)));
  return looks.every(({ status }) => status === 'fulfilled');
}
