import { once } from 'node:events';
import { open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { SealedCopy } from '../../../core/backup/reader.ts';
import type { Doing } from '../../../core/backup/store.ts';
import { StewardError } from '../../../core/errors.ts';
import type { ProgramsPort } from '../../../core/ports/programs.ts';
import { fileError } from '../../files/file-errors.ts';
import { partOf } from '../contents.ts';
import { AS_LONG_AS_IT_TAKES_MS, letGo, together } from '../flow.ts';
import { dotted } from '../names.ts';
import type { AboutDatabase } from './about.ts';
import { listAfterwards } from './afterwards.ts';
import { connectionString, environmentOf, identifier, literal, type PgAccess, type PgSession } from './access.ts';
import { programError } from './errors.ts';
import type { PgTools } from './tools.ts';

/** Where one database of a copy goes, whatever it is called there. */
export interface Loading {
  readonly copy: SealedCopy;
  readonly about: AboutDatabase;
  readonly access: PgAccess;
  readonly into: string;
  readonly tools: PgTools;
  readonly programs: ProgramsPort;
  /** For the dump while it is restored: only from a file can two work at once. */
  readonly folder: string;
  /** Whether each thing gets its owner back: superusers may do that. */
  readonly owners: boolean;
}

/** With several, pg_restore fills each table in the transaction that empties it: rows keep the order that they were dumped in. */
export const JOBS = 2;

/** An empty database that sorts and encodes as the one of the copy; false where this machine does not know its locale. */
export async function createDatabase(
  session: PgSession,
  name: string,
  { encoding, collate, ctype, icu }: AboutDatabase,
  { anyLocale }: { readonly anyLocale: boolean },
): Promise<boolean> {
  const create = (collation: string, type: string, provider: string): Promise<unknown> =>
    session.rows(
      `create database ${identifier(name)} template template0 encoding ${literal(encoding)} lc_collate ${literal(collation)} lc_ctype ${literal(type)}${provider}`,
    );
  try {
    await create(collate, ctype, icu === null ? '' : ` locale_provider icu icu_locale ${literal(icu)}`);
    return true;
  } catch (thrown) {
    if (!anyLocale || !/locale|encoding/i.test((thrown as Error).message)) throw thrown;
    await create('C', 'C', '');
    return false;
  }
}

/** The dump of a database as a file. Whoever asked removes it. */
export async function fetchDump(
  { copy, about, folder }: Pick<Loading, 'copy' | 'about' | 'folder'>,
  doing: Doing,
): Promise<string> {
  const part = partOf(copy, ({ name }) => name === about.dump, `the dump of ${dotted(about.name)}`);
  const file = join(folder, 'restoring.dump');
  const written = await open(file, 'w', 0o600).catch((thrown: unknown) => {
    throw fileError(file, thrown);
  });
  const write = async (piece: Uint8Array): Promise<void> => {
    for (let at = 0; at < piece.length;) at += (await written.write(piece, at)).bytesWritten;
    letGo(piece);
  };
  let writing = Promise.resolve();
  try {
    // A piece is written while the next one is read and hashed.
    for await (const piece of copy.store.read(copy.location, part, doing)) {
      await writing;
      writing = write(piece);
      // Whoever waits for it next is told.
      writing.catch(() => undefined);
    }
    await writing;
    return file;
  } catch (thrown) {
    await rm(file, { force: true });
    if (doing.signal.aborted) throw new StewardError('CANCELED', 'The restore was canceled.');
    throw thrown instanceof StewardError ? thrown : fileError(file, thrown);
  } finally {
    await writing.catch(() => undefined);
    await written.close();
  }
}

/** Reads the rows that a restore brings. */
export interface Reading<Early, All> {
  /** Beside the filling of tables, of which some are filled before others. `loaded`: all are. */
  early(loaded: AbortSignal, doing: Doing): Promise<Early>;
  all(early: Early, doing: Doing): Promise<All>;
}

/**
 * Restores a dump into an empty database, the first error ends it. VERIFICATION_FAILED where the copy does not restore. The rows are
 * read as soon as they are there, beside the building of indexes, which lock nobody out who reads.
 */
export async function loadDatabase<Early, All>(
  loading: Loading,
  file: string,
  doing: Doing,
  reading: Reading<Early, All>,
): Promise<All> {
  const { about, access, into, tools, programs, owners } = loading;
  const restore = async (what: readonly string[], { signal }: Doing): Promise<void> => {
    const result = await programs.run({
      program: tools.program('pg_restore'),
      args: [
        `--jobs=${JOBS}`,
        '--exit-on-error',
        '--no-tablespaces',
        '--no-subscriptions',
        ...(owners ? [] : ['--no-owner']),
        ...what,
        '-d',
        connectionString(into),
        file,
      ],
      env: environmentOf(access),
      timeoutMs: AS_LONG_AS_IT_TAKES_MS,
      signal,
    });
    if (result.exitCode !== 0) throw restoreError('pg_restore', result, about);
  };
  // Keys and triggers come when the rows are all there.
  const { indexes, rest } = await listAfterwards(loading, file, doing);
  const loaded = new AbortController();
  const [read] = await together(doing, [
    async (now) => {
      const early = await reading.early(loaded.signal, now);
      await until(loaded.signal, now.signal);
      return await reading.all(early, now);
    },
    async (now) => {
      // Both at once: rows are not logged where their table was made by the same pg_restore.
      await restore(['--section=pre-data', '--section=data'], now);
      if (about.partly !== null) await loadPartly(loading, about.partly, now);
      loaded.abort();
      if (indexes !== undefined) await restore([`--use-list=${indexes}`], now);
    },
  ]);
  if (rest !== undefined) await restore([`--use-list=${rest}`], doing);
  return read;
}

/** Until one of them is aborted. */
async function until(...signals: readonly AbortSignal[]): Promise<void> {
  const any = AbortSignal.any([...signals]);
  if (!any.aborted) await once(any, 'abort');
}

async function loadPartly(
  { copy, about, access, into, tools, programs }: Loading,
  name: string,
  doing: Doing,
): Promise<void> {
  const part = partOf(copy, (one) => one.name === name, `the rows of ${dotted(about.name)} that were copied in part`);
  const result = await programs.stream(
    {
      program: tools.program('psql'),
      args: ['-X', '-q', '-v', 'ON_ERROR_STOP=1', '--single-transaction', '-f', '-', '-d', connectionString(into)],
      env: environmentOf(access),
      timeoutMs: AS_LONG_AS_IT_TAKES_MS,
      signal: doing.signal,
      input: copy.store.read(copy.location, part, doing),
    },
    async () => undefined,
  );
  if (result.exitCode !== 0) throw restoreError('psql', result, about);
}

function restoreError(
  program: string,
  result: Parameters<typeof programError>[1],
  { name }: AboutDatabase,
): StewardError {
  // Full disks, dead servers and lacking rights say nothing of the copy, and keep their own code.
  return programError(program, result, `the restore of ${dotted(name)}`, 'VERIFICATION_FAILED');
}
