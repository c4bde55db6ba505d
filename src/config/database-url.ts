import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Environment } from './environment.ts';
import { writeAtomically } from './write-atomically.ts';

const FILE = 'database-url';

/** The operator's PostgreSQL: as STEWARD_DATABASE_URL says, or as this home was told when it joined. */
export async function databaseUrlOf({
  home,
  databaseUrl,
}: Pick<Environment, 'home' | 'databaseUrl'>): Promise<string | undefined> {
  if (databaseUrl !== undefined) return databaseUrl;
  try {
    return (await readFile(join(home, FILE), 'utf8')).trim() || undefined;
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw thrown;
  }
}

/** Only the owner of the home can read it: it holds the password. */
export async function keepDatabaseUrl(home: string, databaseUrl: string): Promise<void> {
  await writeAtomically(join(home, FILE), `${databaseUrl}\n`);
}
