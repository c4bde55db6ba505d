import { randomBytes } from 'node:crypto';
import { mkdir, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname, join, relative, resolve } from 'node:path';
import { sql } from 'kysely';
import { syncFolder } from './adapters/repositories/durable.ts';
import { createCopyStore } from './adapters/repositories/index.ts';
import { keyFileOf } from './adapters/repositories/restic/key.ts';
import { makeScratch, type ScratchFolder, sweepScratch } from './adapters/sources/scratch.ts';
import { giveFolder, tidyDataFolder } from './adapters/sources/steward/data-folder.ts';
import { HOME, KEYS, STORE, storePart } from './adapters/sources/steward/parts.ts';
import { compareState, keysOf, restoreState } from './adapters/sources/steward/restored.ts';
import { SCRATCH_KIND } from './adapters/sources/steward/stage.ts';
import { endWorkersOf } from './adapters/sources/throw-away.ts';
import { createWorld } from './compose/world.ts';
import type { Environment } from './config/environment.ts';
import { openHome } from './config/home.ts';
import { auditKey, vaultKey } from './config/keys.ts';
import type { SealedCopy } from './core/backup/reader.ts';
import type { CopyStore, Doing } from './core/backup/store.ts';
import { StewardError } from './core/errors.ts';
import { holdAfterRestore } from './engine/after-restore.ts';
import { withStore } from './local-store.ts';
import { bundledStore, openRestored, ownState } from './own-state.ts';
import {
  forgetMark,
  type Journal,
  markOf,
  openJournal,
  restoredEntry,
  type RestoredHome,
} from './restore-home-mark.ts';
import { assertNoSteward, type Place, placeOf, type Wanted } from './restore-home-place.ts';
import { openPath, serviceAccount } from './store/pg-account.ts';
import { prepareFolders, ROLE } from './store/pg-cluster.ts';
import { type PgHome, pgHome } from './store/pg-home.ts';

/**
 * Makes a home of a copy of Steward itself, on a machine where none runs: the copy is restored beside it, counted, compared and
 * opened with its keys, and only then put into its place. What was under way when the copy was made is ended, and the Steward
 * that starts on it applies nothing until an administrator says so.
 */
export async function restoreHome(
  environment: Environment,
  wanted: Wanted,
  { say, signal }: { readonly say: (line: string) => void; readonly signal: AbortSignal },
): Promise<RestoredHome> {
  if (environment.databaseUrl !== undefined)
    throw new StewardError(
      'INPUT_INVALID',
      'A home is restored with the store in it, and STEWARD_DATABASE_URL is set.',
      {
        hint: 'Leave the variable out.',
      },
    );
  const path = resolve(environment.home);
  await assertNoSteward(path);
  const home = await openHome(path, new Date());
  try {
    // Again, now that nobody else can begin one.
    await assertNoSteward(path);
    const mark = await markOf(path);
    if (mark.is === 'whole' && mark.restored) return await finish(mark.restored, say);
    return await begin({ path, environment, wanted }, { say, doing: { signal } });
  } finally {
    await home.release();
  }
}

interface Told {
  readonly say: (line: string) => void;
  readonly doing: Doing;
}

/** One that was killed when the store was in its place already. */
async function finish(restored: RestoredHome, say: Told['say']): Promise<RestoredHome> {
  say(`The copy of ${restored.snapshotAt} is restored into ${restored.home} already, all but the record of it`);
  await sweep(restored.home);
  return restored;
}

async function begin(
  { path, environment, wanted }: { readonly path: string; readonly environment: Environment; readonly wanted: Wanted },
  { say, doing }: Told,
): Promise<RestoredHome> {
  await sweep(path);
  const journal = await openJournal(path);
  let begun = false;
  try {
    const place = await placeOf(wanted, { home: path, journal });
    const { programs, secrets, outbound } = createWorld({ environment, log: SILENT });
    const store = createCopyStore(place.repository, {
      programs,
      secrets,
      outbound,
      home: path,
      node: hostname(),
      now: () => new Date(),
      log: SILENT,
    });
    const copy = await pick(store, wanted.copy, doing);
    if (!storePart(copy))
      throw new StewardError(
        'PRECONDITION_FAILED',
        'The copy is of a Steward whose store was a PostgreSQL of its operator.',
        {
          hint: 'Restore that database from its own copies (the source self-store); unpack home.tar and keys.tar of this one into the home, as the recovery kit says; then start Steward with STEWARD_DATABASE_URL.',
        },
      );
    begun = true;
    say(`The copy of ${copy.manifest.snapshotAt} in ${place.repository.name} is restored into ${path}`);
    return await restoreInto(path, { copy, place, programs, newKeys: wanted.newKeys, journal }, { doing, say });
  } catch (thrown) {
    if ((await markOf(path)).is !== 'whole') {
      // Nothing of it is left; still a Steward that starts by itself is not to begin where one was to come back.
      await journal.takeBack();
      if (!begun) await forgetMark(path);
    }
    throw thrown;
  }
}

/** What one that was killed left: its server may run still. */
async function sweep(home: string): Promise<void> {
  await sweepScratch(join(home, 'scratch'), SCRATCH_KIND, 'all-dead', (folder) =>
    endWorkersOf(join(folder, STORE), 'SIGQUIT'),
  );
}

/** To be done once the home is released: the record says where this Steward comes from. */
export async function recordRestore(environment: Environment, restored: RestoredHome): Promise<void> {
  const { home } = environment;
  // A Steward that started at once has done it.
  if ((await markOf(home)).is !== 'whole') return;
  await withStore(environment, ({ audit }) => audit.append(restoredEntry(restored)));
  await forgetMark(home);
}

interface Restoring {
  readonly copy: SealedCopy;
  readonly place: Place;
  readonly programs: ReturnType<typeof createWorld>['programs'];
  readonly newKeys: boolean;
  readonly journal: Journal;
}

async function restoreInto(
  home: string,
  { copy, place, programs, newKeys, journal }: Restoring,
  { doing, say }: Told,
): Promise<RestoredHome> {
  const paths = pgHome(home);
  await mkdir(paths.root, { recursive: true, mode: 0o755 });
  const account = await serviceAccount(paths, say);
  if (account) await openPath(paths, account);
  const store = await bundledStore(home);
  const room = copy.manifest.parts.reduce((sum, { bytes }) => sum + bytes, 0);
  const folder = await makeScratch(join(home, 'scratch'), { kind: SCRATCH_KIND, owner: 'restore-home', room });
  try {
    const server = await restoreState({ copy, folder, store, role: ROLE, programs, account, durable: true }, doing);
    const proof: string[] = [];
    const snapshotAt = new Date(copy.manifest.snapshotAt);
    let runsEnded = 0;
    try {
      const proven = (found: { readonly ok: boolean; readonly statement: string }): void => {
        proof.push(found.statement);
        say(found.statement);
        if (!found.ok)
          throw new StewardError('VERIFICATION_FAILED', `The copy is not what it should be: ${found.statement}`, {
            hint: 'Nothing was put into its place. Take another copy with --copy.',
          });
      };
      proven(await compareState(copy, { access: server.access, folder: folder.path }, doing));
      const keys = await layKeys(folder, place, newKeys);
      if (keys !== undefined) {
        const own = ownState({ home, configuration: () => '', never: () => [], external: false, log: SILENT });
        const opened = await own.opens({ access: server.access, home: join(folder.path, HOME), keys });
        proven({ ...opened, statement: `With its keys, ${opened.statement}` });
      }
      runsEnded = await settle(server.access, { paths, snapshotAt });
    } catch (thrown) {
      await server.end();
      throw thrown;
    }
    await server.stop();
    await tidyDataFolder(join(folder.path, STORE));
    await giveFolder(join(folder.path, STORE), account);
    if (place.borrowed) await journal.takeBack([relative(home, keyFileOf(home, place.repository.name))]);
    for (const part of [KEYS, HOME]) await putFiles(join(folder.path, part), home, journal);
    await prepareFolders(paths, account);
    // What was unpacked is in memory only until now; the folder of the store comes last and makes it a home.
    await programs.run({ program: 'sync', args: ['--file-system', home], timeoutMs: 600_000, signal: doing.signal });
    const restored = {
      home,
      copy: copy.manifest.copy,
      repository: place.repository.name,
      snapshotAt: copy.manifest.snapshotAt,
      proof,
      runsEnded,
      next: 'Start Steward. It observes only; an administrator lets it act again: steward mode normal',
    };
    await journal.complete(restored);
    await rename(join(folder.path, STORE), paths.data);
    await syncFolder(paths.root);
    return restored;
  } finally {
    await folder.remove();
  }
}

/** The password of the store is made anew: it never leaves a home. */
async function settle(
  access: { readonly host: string },
  { paths, snapshotAt }: { readonly paths: PgHome; readonly snapshotAt: Date },
): Promise<number> {
  const password = randomBytes(24).toString('hex');
  const { db, close } = openRestored(access, SILENT);
  try {
    const ended = await holdAfterRestore(db, { snapshotAt, now: new Date() });
    await sql`alter role ${sql.id(ROLE)} password ${sql.lit(password)}`.execute(db);
    await rm(paths.password, { force: true });
    await writeFile(paths.password, `${password}\n`, { mode: 0o600, flag: 'wx', flush: true });
    return ended;
  } finally {
    await close();
  }
}

/** Where its keys are, after those of the kit came to them; undefined where it is to have new ones. */
async function layKeys(folder: ScratchFolder, { keys }: Place, newKeys: boolean): Promise<string | undefined> {
  const path = join(folder.path, KEYS);
  const { own } = await keysOf(folder.path, '');
  if (!own) {
    await mkdir(path, { mode: 0o700 });
    for (const [name, text] of Object.entries(keys)) await writeFile(join(path, name), text, { mode: 0o600 });
  }
  const missing = ['audit.key', 'vault.key'].filter((name) => (own ? false : keys[name] === undefined));
  if (missing.length === 0) return path;
  if (newKeys) {
    await Promise.all([auditKey(path), vaultKey(path)]);
    return undefined;
  }
  throw new StewardError('PRECONDITION_FAILED', `The copy has no keys: ${missing.join(' and ')} are missing.`, {
    hint: 'Give the recovery kit with --kit. Without it, --new-keys makes new ones: what was sealed stays closed, and the audit log begins a new chain.',
  });
}

async function putFiles(from: string, home: string, journal: Journal): Promise<void> {
  if (!(await stat(from).catch(() => undefined))) return;
  const files: string[] = [];
  for (const entry of await readdir(from, { recursive: true, withFileTypes: true })) {
    const path = relative(from, join(entry.parentPath, entry.name));
    // The key of a repository that is there opened it just now, or is of another one.
    const stays = dirname(path) === 'backup-keys' && (await stat(join(home, path)).catch(() => undefined));
    if (entry.isFile() && !stays) files.push(path);
  }
  await journal.announce(files);
  for (const path of files) {
    await mkdir(dirname(join(home, path)), { recursive: true, mode: 0o700 });
    await rename(join(from, path), join(home, path));
  }
}

async function pick(store: CopyStore, id: string | undefined, doing: Doing): Promise<SealedCopy> {
  const found: SealedCopy[] = [];
  for (const each of await store.list(doing)) {
    if (id !== undefined && each.id !== id && each.location !== id) continue;
    const manifest = await store.manifest(each.location, doing);
    if (manifest.source.kind === 'steward') found.push({ store, location: each.location, manifest });
  }
  const newest = found.toSorted((a, b) => Date.parse(b.manifest.snapshotAt) - Date.parse(a.manifest.snapshotAt))[0];
  if (newest) return newest;
  throw new StewardError(
    'NOT_FOUND',
    id === undefined
      ? `There is no copy of Steward itself in ${store.repository.name}.`
      : `There is no copy ${id} of Steward itself in ${store.repository.name}.`,
    { hint: 'Name another repository of the kit with --repository.' },
  );
}

const SILENT = { debug() {}, info() {}, warn() {}, error() {} };
