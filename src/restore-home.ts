import { randomBytes } from 'node:crypto';
import { mkdir, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname, join, relative, resolve } from 'node:path';
import { sql } from 'kysely';
import { createCopyStore } from './adapters/repositories/index.ts';
import { keyFileOf } from './adapters/repositories/restic/key.ts';
import { makeScratch, type ScratchFolder, sweepScratch } from './adapters/sources/scratch.ts';
import { giveFolder, tidyDataFolder } from './adapters/sources/steward/data-folder.ts';
import { HOME, KEYS, STORE, storePart } from './adapters/sources/steward/parts.ts';
import { compareState, keysOf, restoreState } from './adapters/sources/steward/restored.ts';
import { SCRATCH_KIND } from './adapters/sources/steward/stage.ts';
import { endWorkersOf } from './adapters/sources/throw-away.ts';
import { createWorld } from './world.ts';
import type { Environment } from './config/environment.ts';
import { openHome } from './config/home.ts';
import { auditKey, vaultKey } from './config/keys.ts';
import { writeAtomically } from './config/write-atomically.ts';
import type { SealedCopy } from './core/backup/reader.ts';
import type { CopyStore, Doing } from './core/backup/store.ts';
import { StewardError } from './core/errors.ts';
import { holdAfterRestore } from './engine/after-restore.ts';
import { localActor, withStore } from './local-store.ts';
import { bundledStore, openRestored, ownState } from './own-state.ts';
import { assertNoSteward, GIVEN, MARK, type Place, placeOf, type Wanted } from './restore-home-place.ts';
import { openPath, serviceAccount } from './store/pg-account.ts';
import { prepareFolders, ROLE } from './store/pg-cluster.ts';
import { type PgHome, pgHome } from './store/pg-home.ts';

export interface RestoredHome {
  readonly home: string;
  readonly copy: string;
  readonly repository: string;
  readonly snapshotAt: string;
  readonly proof: readonly string[];
  readonly runsEnded: number;
  readonly next: string;
}

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
    const doing: Doing = { signal };
    const place = await placeOf(wanted, path);
    const { programs, secrets } = createWorld({ environment, log: SILENT });
    const store = createCopyStore(place.repository, {
      programs,
      secrets,
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
    say(`The copy of ${copy.manifest.snapshotAt} in ${place.repository.name} is restored into ${path}`);
    await writeAtomically(join(path, MARK), `${JSON.stringify({ copy: copy.manifest.copy })}\n`);
    const restored = await restoreInto(path, { copy, place, programs, newKeys: wanted.newKeys }, { doing, say });
    // Made where it has none.
    await Promise.all([auditKey(path), vaultKey(path)]);
    await rm(join(path, MARK));
    return { home: path, repository: place.repository.name, ...restored };
  } finally {
    await rm(keyFileOf(path, GIVEN), { force: true });
    await home.release();
  }
}

/** To be done once the home is released: the record says where this Steward comes from. */
export async function recordRestore(environment: Environment, restored: RestoredHome): Promise<void> {
  await withStore(environment, async ({ audit }) => {
    const { copy, repository, snapshotAt, runsEnded } = restored;
    await audit.append({
      action: 'steward.restored',
      actor: localActor(),
      outcome: 'succeeded',
      from: 'local',
      detail: { copy, repository, snapshotAt, runsEnded },
    });
  });
}

interface Restoring {
  readonly copy: SealedCopy;
  readonly place: Place;
  readonly programs: ReturnType<typeof createWorld>['programs'];
  readonly newKeys: boolean;
}

async function restoreInto(
  home: string,
  { copy, place, programs, newKeys }: Restoring,
  { doing, say }: { readonly doing: Doing; readonly say: (line: string) => void },
): Promise<Omit<RestoredHome, 'home' | 'repository'>> {
  const paths = pgHome(home);
  const scratch = join(home, 'scratch');
  await mkdir(paths.root, { recursive: true, mode: 0o755 });
  // One that was killed left its server running.
  await sweepScratch(scratch, SCRATCH_KIND, 'all-dead', (folder) => endWorkersOf(join(folder, STORE), 'SIGQUIT'));
  const account = await serviceAccount(paths, say);
  if (account) await openPath(paths, account);
  const store = await bundledStore(home);
  const room = copy.manifest.parts.reduce((sum, { bytes }) => sum + bytes, 0);
  const folder = await makeScratch(scratch, { kind: SCRATCH_KIND, owner: 'restore-home', room });
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
    for (const part of [KEYS, HOME]) await putFiles(join(folder.path, part), home);
    await prepareFolders(paths, account);
    // What was unpacked is in memory only until now; the folder of the store comes last and makes it a home.
    await programs.run({ program: 'sync', args: ['--file-system', home], timeoutMs: 600_000, signal: doing.signal });
    await rename(join(folder.path, STORE), paths.data);
    return {
      copy: copy.manifest.copy,
      snapshotAt: copy.manifest.snapshotAt,
      proof,
      runsEnded,
      next: 'Start Steward. It observes only; an administrator lets it act again: steward mode normal',
    };
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
  if (newKeys) return undefined;
  throw new StewardError('PRECONDITION_FAILED', `The copy has no keys: ${missing.join(' and ')} are missing.`, {
    hint: 'Give the recovery kit with --kit. Without it, --new-keys makes new ones: what was sealed stays closed, and the audit log begins a new chain.',
  });
}

async function putFiles(from: string, home: string): Promise<void> {
  if (!(await stat(from).catch(() => undefined))) return;
  for (const entry of await readdir(from, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const source = join(entry.parentPath, entry.name);
    const target = join(home, relative(from, source));
    await mkdir(dirname(target), { recursive: true, mode: 0o700 });
    await rename(source, target);
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
