import { copyFile, readFile, stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Environment } from '../config/environment.ts';
import { configLocation, parseConfig } from '../config/load.ts';
import { writeAtomically } from '../config/write-atomically.ts';
import { StewardError } from '../core/errors.ts';
import { fromGatus } from './gatus.ts';
import type { Imported, Outcome, SecretToSet } from './imported.ts';
import { fromKuma, parseKumaJson } from './kuma.ts';
import { merge } from './merge.ts';

const LARGEST_BYTES = 512 * 1_048_576;
const SQLITE = 'SQLite format 3\0';

export interface ImportReport {
  readonly written: boolean;
  readonly file: string;
  /** The file as it was before. */
  readonly backup?: string;
  readonly taken: number;
  readonly changed: number;
  readonly leftOut: number;
  readonly outcomes: readonly Outcome[];
  /** Names that steward.yaml had already; what it says stays. */
  readonly kept: readonly string[];
  readonly secretsToSet: readonly SecretToSet[];
  /** What is added, as it stands in the file. */
  readonly yaml: string;
  readonly next: string;
}

/** Reads what another program watches and, where that is wanted, adds it to steward.yaml. Nothing is written that the loader would refuse. */
export async function importFile(
  kind: 'uptime-kuma' | 'gatus',
  { source, write, environment, now }: { source: string; write: boolean; environment: Environment; now: Date },
): Promise<ImportReport> {
  const imported = kind === 'gatus' ? fromGatus(await textOf(source)) : await readKuma(source);
  const { file } = configLocation(environment);
  const before = await readFile(file, 'utf8').catch((thrown: NodeJS.ErrnoException) => {
    if (thrown.code === 'ENOENT') return undefined;
    throw thrown;
  });
  const { text, kept, added } = merge(before ?? '', imported);
  // A slip of the translation must not become a broken configuration.
  parseConfig(text, { file, overrides: environment.overrides });
  let backup: string | undefined;
  if (write) {
    if (before !== undefined) {
      backup = `${file}.${now.toISOString().replaceAll(/[:.]/g, '-')}.bak`;
      await copyFile(file, backup);
    }
    await writeAtomically(file, text);
  }
  const count = (wanted: Outcome['outcome']): number =>
    imported.outcomes.filter(({ outcome }) => outcome === wanted).length;
  return {
    written: write,
    file,
    ...(backup !== undefined && { backup }),
    taken: count('taken'),
    changed: count('changed'),
    leftOut: count('left out'),
    outcomes: imported.outcomes,
    kept,
    secretsToSet: imported.secrets,
    yaml: added,
    next: write
      ? 'Set the variables of secretsToSet in the environment of Steward and start it again; a running Steward has read the rest.'
      : 'Nothing was written. The same command with --write adds it to the file.',
  };
}

async function readKuma(path: string): Promise<Imported> {
  const file = resolve(path);
  await assertReadable(file);
  const head = (await readFile(file)).subarray(0, SQLITE.length).toString('latin1');
  if (head !== SQLITE) return fromKuma(parseKumaJson(await textOf(file)));
  const { readKumaDatabase } = await import('./kuma-database.ts');
  return fromKuma(readKumaDatabase(file));
}

async function textOf(path: string): Promise<string> {
  const file = resolve(path);
  await assertReadable(file);
  return await readFile(file, 'utf8');
}

async function assertReadable(file: string): Promise<void> {
  const found = await stat(file).catch((cause: NodeJS.ErrnoException) => {
    throw new StewardError('NOT_FOUND', `${file} cannot be read: ${cause.code ?? cause.message}.`, { cause });
  });
  if (!found.isFile() || found.size > LARGEST_BYTES)
    throw new StewardError('INPUT_INVALID', `${file} is ${found.isFile() ? 'larger than 512 MB' : 'no file'}.`);
}
