import { findTools as findMysql } from './adapters/sources/mysql/tools.ts';
import { findTools as findPostgres, postgresFolders } from './adapters/sources/postgres/tools.ts';
import { findServer as findRedis, noServer as noRedis } from './adapters/sources/redis/throw-away.ts';
import type { BackupRepository } from './core/backup/repository.ts';
import type { BackupSource } from './core/backup/source.ts';
import { StewardError } from './core/errors.ts';
import type { ProgramsPort } from './core/ports/programs.ts';
import type { Finding } from './doctor-finding.ts';

const WITHIN_MS = 15_000;

/** The programs without which what is configured cannot be copied, or its copies not restored to prove them. */
export async function missingPrograms(
  programs: ProgramsPort,
  sources: readonly BackupSource[],
  repositories: readonly Pick<BackupRepository, 'kind'>[],
): Promise<Finding[]> {
  const signal = AbortSignal.timeout(WITHIN_MS);
  const kinds = new Set(sources.map(({ kind }) => kind));
  const needed: [what: string, look: () => Promise<unknown>][] = [];
  if (kinds.has('postgres'))
    needed.push(['PostgreSQL', () => findPostgres(programs, postgresFolders)({ server: 0, own: true }, { signal })]);
  if (kinds.has('mysql')) needed.push(['MariaDB', () => findMysql(programs, 'mariadb', { signal })]);
  if (kinds.has('redis'))
    needed.push([
      'Redis',
      async () => {
        if (!(await findRedis(programs, signal))) throw noRedis();
      },
    ]);
  if (repositories.some(({ kind }) => kind === 'restic'))
    needed.push(['restic', () => programs.run({ program: 'restic', args: ['version'], timeoutMs: WITHIN_MS, signal })]);
  const looked = await Promise.all(
    needed.map(async ([what, look]): Promise<Finding> => {
      try {
        await look();
        return { what: `programs of ${what}`, state: 'ok', detail: 'installed' };
      } catch (thrown) {
        const { message, hint, code } = StewardError.from(thrown);
        const mend = code === 'NOT_FOUND' ? `Install it: apt-get install ${what}` : hint;
        return { what: `programs of ${what}`, state: 'problem', detail: message, mend };
      }
    }),
  );
  return looked;
}
