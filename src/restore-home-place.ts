import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { dirname, relative, resolve } from 'node:path';
import { keyFileOf } from './adapters/repositories/restic/key.ts';
import { type KitData, readKit } from './core/backup/recovery-kit.ts';
import { BackupRepository } from './core/backup/repository.ts';
import { StewardError } from './core/errors.ts';
import { type Journal, markOf } from './restore-home-mark.ts';
import { pgHome } from './store/pg-home.ts';

/** What somebody says of where the copy is. */
export interface Wanted {
  /** The page that `steward backup kit` printed, as a file. */
  readonly kit: string | undefined;
  /** A name in the kit; or a folder or an address that restic knows. */
  readonly repository: string | undefined;
  readonly keyFile: string | undefined;
  /** One of restic, in the place of the one of that name: what opens a place on the lost machine may lie elsewhere here. */
  readonly option: string | undefined;
  readonly copy: string | undefined;
  readonly newKeys: boolean;
}

export interface Place {
  readonly repository: BackupRepository;
  /** Its key is kept somewhere else, and in the home only until it was read with. */
  readonly borrowed: boolean;
  /** Of Steward itself, by their place in a home. */
  readonly keys: Readonly<Record<string, string>>;
}

interface Laying {
  readonly home: string;
  readonly journal: Journal;
}

/** The repository to read from. Its key is laid where Steward looks for it in its home. */
export async function placeOf({ kit: file, repository, keyFile, option }: Wanted, laying: Laying): Promise<Place> {
  const kit = file === undefined ? undefined : readKit(await readFile(file, 'utf8').catch(unreadable(file)));
  const named = kit && (await fromKit(kit, repository));
  // Those that Steward had made; of the others it has a reference in its configuration.
  for (const each of kit?.repositories ?? [])
    if (each.key !== undefined && each.repository.kind === 'restic' && each.repository.password === undefined)
      await layKey(laying, each.repository.name, each.key);
  const found = named?.repository ?? (repository === undefined ? undefined : await fromAddress(repository));
  if (found === undefined)
    throw new StewardError('INPUT_INVALID', 'It has to be said where the copies of Steward are.', {
      hint: 'Give --kit kit.md, the page that steward backup kit printed; or --repository with a folder or an address of restic.',
    });
  const key = keyFile === undefined ? named?.key : (await readFile(keyFile, 'utf8').catch(unreadable(keyFile))).trim();
  if (found.kind === 'directory') return { repository: found, borrowed: false, keys: kit?.home ?? {} };
  if (key === undefined)
    throw new StewardError('INPUT_INVALID', `${found.name} is encrypted, and there is no key for it.`, {
      hint: 'Give the recovery kit with --kit, or its key in a file with --key-file.',
    });
  await layKey(laying, found.name, key);
  // The key is at hand: whatever it was a reference to need not be here.
  return {
    repository: { ...found, password: undefined, options: withOption(found.options, option) },
    borrowed: named === undefined || found.password !== undefined,
    keys: kit?.home ?? {},
  };
}

function withOption(options: readonly string[], option: string | undefined): string[] {
  if (option === undefined) return [...options];
  const nameOf = (text: string): string => text.slice(0, text.indexOf('=')).toLowerCase();
  return [...options.filter((each) => nameOf(each) !== nameOf(option)), option];
}

async function layKey({ home, journal }: Laying, name: string, key: string): Promise<void> {
  const path = keyFileOf(home, name);
  const there = await readFile(path, 'utf8').catch(() => undefined);
  if (there?.trim() === key) return;
  if (there !== undefined)
    throw new StewardError('CONFLICT', `${path} holds another key than the one of the kit, and is not replaced.`, {
      hint: 'It may be the only one that opens newer copies. Move it away and keep it, or restore to another folder.',
    });
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  await journal.announce([relative(home, path)]);
  await writeFile(path, `${key}\n`, { mode: 0o600, flag: 'wx', flush: true });
}

async function fromKit(
  { repositories }: KitData,
  wanted: string | undefined,
): Promise<KitData['repositories'][number] | undefined> {
  if (wanted !== undefined) return repositories.find(({ repository }) => repository.name === wanted);
  if (repositories.length <= 1) return repositories[0];
  // A directory is one that can be reached from here where it is mounted.
  for (const each of repositories)
    if (each.repository.kind === 'directory' && (await stat(each.repository.path).catch(() => undefined))) return each;
  const others = repositories.filter(({ repository }) => repository.kind === 'restic');
  if (others.length === 1) return others[0];
  throw new StewardError('INPUT_INVALID', 'The kit has several repositories.', {
    hint: `Name one with --repository: ${repositories.map(({ repository }) => repository.name).join(', ')}.`,
  });
}

/** What a repository is called that is none of a kit: its key stays nowhere. */
const GIVEN = 'given';

/** A folder of Steward's own kind has its mark in it; all else is restic's. */
async function fromAddress(address: string): Promise<BackupRepository> {
  const path = resolve(address);
  const own = await stat(`${path}/steward-repository.json`).catch(() => undefined);
  return BackupRepository.parse(
    own
      ? { kind: 'directory', name: GIVEN, path }
      : { kind: 'restic', name: GIVEN, url: address.includes(':') ? address : path },
  );
}

function unreadable(file: string): (cause: Error) => never {
  return (cause) => {
    throw new StewardError('NOT_FOUND', `${file} cannot be read: ${cause.message}`, { cause });
  };
}

/** What is no state of a Steward, and may be there before. */
const HARMLESS =
  /^(lock\..*|pg|scratch|cache|backups|backup-places|backup-keys|restoring\.json(\..*)?|created-(system|scratch)-user\.json|boots|\..*)$/;

/** CONFLICT where the folder has anything that a restore would replace. */
export async function assertNoSteward(home: string): Promise<void> {
  const there = await readdir(home).catch((thrown: NodeJS.ErrnoException) => {
    if (thrown.code === 'ENOENT') return [] as string[];
    throw thrown;
  });
  const [store, mark] = await Promise.all([stat(pgHome(home).data).catch(() => undefined), markOf(home)]);
  // Of a restore that came to no end, and taken back by the next one.
  const put = new Set(mark.is === 'half' ? mark.put.map((path) => path.split('/')[0]) : []);
  const state = there.filter((name) => !HARMLESS.test(name) && !put.has(name));
  if (mark.is === 'whole' && mark.restored) return;
  if (!store && state.length === 0) return;
  throw new StewardError(
    'CONFLICT',
    store
      ? `${home} has a Steward already, and that is not replaced.`
      : `${home} is not empty: ${state.slice(0, 5).join(', ')}.`,
    { hint: 'Name a folder without one: STEWARD_HOME=/another/folder. Or move away what is there, and keep it.' },
  );
}
