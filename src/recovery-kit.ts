import { createHash, randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { readKey } from './adapters/repositories/restic/key.ts';
import { keyFiles } from './adapters/sources/steward/home-files.ts';
import type { StoreDeps } from './adapters/repositories/index.ts';
import { writeAtomically } from './config/write-atomically.ts';
import { type KitCopy, type KitRepository, recoveryKit } from './core/backup/recovery-kit.ts';
import type { Locks } from './core/backup/object-lock.ts';
import type { BackupRepository } from './core/backup/repository.ts';
import { canonicalJson } from './core/json.ts';
import type { SecretReference } from './core/secrets.ts';

/** What is remembered of the page that somebody has: of secrets only whether they are still the same. */
const Exported = z.object({
  at: z.coerce.date(),
  /** Of the places, and of Steward's own keys. */
  of: z.string(),
  salt: z.string(),
  /** Of each key and variable of a repository; null where it was not in the page. */
  secrets: z.record(z.string(), z.string().nullable()),
});
type Exported = z.output<typeof Exported>;

type Of = Pick<StoreDeps, 'secrets' | 'home'>;

/** A repository with what opens it, as far as that can be read now. */
async function opened(repository: BackupRepository, of: Of): Promise<KitRepository> {
  if (repository.kind !== 'restic') return { repository };
  const readable = async (value: string | SecretReference): Promise<string | SecretReference> =>
    typeof value === 'string' ? value : await of.secrets(value).catch(() => value);
  const env = await Promise.all(
    Object.entries(repository.env).map(async ([name, value]) => [name, await readable(value)] as const),
  );
  // A key that is not there yet is made with the first copy.
  const key = await readKey(repository, of).catch(() => undefined);
  return { repository: { ...repository, env: Object.fromEntries(env) }, key };
}

async function allOpened(repositories: readonly BackupRepository[], of: Of): Promise<KitRepository[]> {
  return await Promise.all(repositories.map((each) => opened(each, of)));
}

/** Of which places a kit is, secrets aside. */
function placesOf(repositories: readonly BackupRepository[], own: Readonly<Record<string, string>>): string {
  const all = repositories.map((repository) => canonicalJson(repository as never));
  return createHash('sha256')
    .update(JSON.stringify([all, own]))
    .digest('hex');
}

/** What has to be in a kit so that it opens its repositories: null where it cannot be read now. */
function secretsOf(repositories: readonly KitRepository[], salt: string): Exported['secrets'] {
  const hashed = (value: unknown): string | null =>
    typeof value === 'string' ? createHash('sha256').update(salt).update(value).digest('hex') : null;
  return Object.fromEntries(
    repositories.flatMap(({ repository, key }): [string, string | null][] =>
      repository.kind === 'restic'
        ? [
            [`the key of ${repository.name}`, hashed(key)],
            ...Object.entries(repository.env).map(([name, value]): [string, string | null] => [
              `${name} of ${repository.name}`,
              hashed(value),
            ]),
          ]
        : [],
    ),
  );
}

/** The keys of Steward itself, by their place in its home; those of repositories stand beside their repositories. */
async function homeKeys(home: string): Promise<Record<string, string>> {
  const names = await keyFiles(home);
  const texts = await Promise.all(names.map(async (name) => [name, await readFile(join(home, name), 'utf8')] as const));
  return Object.fromEntries(texts);
}

/** Copies in the home itself are lost with it: only for those elsewhere is there something to keep. */
function leavesHome(repositories: readonly BackupRepository[], home: string): boolean {
  return repositories.some((each) => each.kind === 'restic' || !each.path.startsWith(`${home}/`));
}

const markerOf = (home: string): string => join(home, 'recovery-kit.json');

/** Makes the page, and remembers that somebody has it. */
export async function exportKit(
  {
    repositories,
    copies,
    locks,
  }: {
    readonly repositories: readonly BackupRepository[];
    readonly copies: readonly KitCopy[];
    readonly locks: Locks;
  },
  { node, now, ...of }: Of & { readonly node: string; readonly now: () => Date },
): Promise<string> {
  const all = await allOpened(repositories, of);
  const own = await homeKeys(of.home);
  const page = recoveryKit({
    node,
    at: now(),
    repositories: all.map((each) => ({ ...each, lock: locks.get(each.repository.name) })),
    copies,
    home: own,
  });
  const salt = randomBytes(16).toString('hex');
  const exported = {
    at: now().toISOString(),
    of: placesOf(repositories, own),
    salt,
    secrets: secretsOf(all, salt),
  } satisfies z.input<typeof Exported>;
  await writeAtomically(markerOf(of.home), `${JSON.stringify(exported)}\n`);
  return page;
}

export interface KitState {
  readonly is: 'exported' | 'missing' | 'outdated' | 'incomplete';
  /** Which secrets the page does not have, and nobody can read here. */
  readonly lacks: readonly string[];
}

/**
 * Whether somebody could restore without this machine; undefined where nothing outlives it yet. A secret that whoever asks cannot
 * read, as it is in the environment of the server alone, is taken for unchanged.
 */
export async function kitState(repositories: readonly BackupRepository[], of: Of): Promise<KitState | undefined> {
  const all = await allOpened(repositories, of);
  if (all.every(({ key }) => key === undefined) && !leavesHome(repositories, of.home)) return undefined;
  const own = await homeKeys(of.home).catch(() => ({}));
  const text = await readFile(markerOf(of.home), 'utf8').catch(() => undefined);
  if (text === undefined) return { is: 'missing', lacks: [] };
  const exported = exportedIn(text);
  if (exported?.of !== placesOf(repositories, own)) return { is: 'outdated', lacks: [] };
  const now = Object.entries(secretsOf(all, exported.salt));
  const changed = now.some(([name, value]) => value !== null && value !== exported.secrets[name]);
  if (changed) return { is: 'outdated', lacks: [] };
  // The key of a place that nothing was copied to yet is made with the first copy, which makes the kit outdated.
  const lacks = now.flatMap(([name]) =>
    (exported.secrets[name] ?? null) === null && !name.startsWith('the key of ') ? [name] : [],
  );
  return lacks.length > 0 ? { is: 'incomplete', lacks } : { is: 'exported', lacks };
}

function exportedIn(text: string): Exported | undefined {
  try {
    return Exported.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}

/** What to tell a person about it, where there is something to tell. */
export function kitProblem(state: KitState | undefined): string | undefined {
  if (state?.is === 'missing')
    return 'Nobody has exported the recovery kit: the keys are lost with this machine, and with them encrypted copies and what Steward sealed.';
  if (state?.is === 'outdated') return 'The recovery kit is of other repositories, keys or secrets than there are now.';
  if (state?.is === 'incomplete')
    return `The recovery kit cannot open its repositories: Steward could not read ${state.lacks.join(', ')} when it was made.`;
  return undefined;
}

export const KIT_HINT = 'steward backup kit > kit.md, and keep it away from this machine.';
