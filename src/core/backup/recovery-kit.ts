import { z } from 'zod';
import { StewardError } from '../errors.ts';
import { shellWord } from '../shell-word.ts';
import type { Manifest } from './copy.ts';
import { safeName, storedName } from './names.ts';
import type { ObjectLock } from './object-lock.ts';
import { BackupRepository, type RepositoryOf } from './repository.ts';
import type { SourceKind } from './source.ts';

/** What the kit says of one repository. */
export interface KitRepository {
  /** With its variables in clear; one that could not be read is still the reference to it, and the page says that it lacks it. */
  readonly repository: BackupRepository;
  /** The password of restic, in clear: the kit is what is left when Steward is not. Undefined where it could not be had. */
  readonly key?: string | undefined;
  /** What its bucket said of its lock, where it is to have one. */
  readonly lock?: ObjectLock | undefined;
}

/** A copy that the commands of the kit are written for: the newest proven one of its source. */
export interface KitCopy {
  readonly repository: string;
  readonly location: string;
  readonly manifest: Manifest;
}

export interface RecoveryKit {
  readonly node: string;
  readonly at: Date;
  readonly repositories: readonly KitRepository[];
  readonly copies: readonly KitCopy[];
  /** The keys of Steward itself, by their place in its home: what its own copies may lack. */
  readonly home?: Readonly<Record<string, string>> | undefined;
  /** The folder that restored files go to. */
  readonly restoreTo?: string | undefined;
}

/** Into which folder the commands of the kit put what they read; set as RESTORE before they run. */
const TARGET = '"$RESTORE"';

/**
 * The page that a person restores with when there is no Steward: places, keys, and for every source the commands, in Markdown.
 * Each block of commands stands for itself and is one a shell takes as it is. Whoever has the page has the data.
 */
export function recoveryKit({
  node,
  at,
  repositories,
  copies,
  home = {},
  restoreTo = '/root/restored',
}: RecoveryKit): string {
  return [
    `# Recovery kit of ${line(node)}`,
    '',
    `Made ${at.toISOString()}. It holds the keys in clear: print it, or keep it where only you can read it, and never beside`,
    'the copies themselves. Copies that are made later are restored the same way; make the kit anew when a repository or a',
    'key changes.',
    '',
    'You need: `zstd`, GNU `tar`, `sha256sum`, `restic` for the repositories of that kind, and the programs of the database.',
    'Every block below is run in a shell. First say where restored files go:',
    '',
    block([`export RESTORE=${shellWord(restoreTo)}`, `mkdir -p ${TARGET}`]),
    '',
    '## Places and keys',
    '',
    ...repositories.flatMap(repositoryText),
    ...copies.flatMap((copy) => copyText(copy, repositories)),
    ...ownText({ node, repositories, home }),
  ].join('\n');
}

/** What `steward restore-home` reads of a kit: all that it takes to open the copies of Steward itself. */
export const KitData = z.object({
  format: z.literal('steward-kit/1'),
  node: z.string(),
  repositories: z.array(z.object({ repository: BackupRepository, key: z.string().optional() })),
  /** Files right below a home: a name leads nowhere else. */
  home: z.record(z.string().regex(/^(?!\.)[\w.-]+$/), z.string()),
});
export type KitData = z.output<typeof KitData>;

const DATA = '```json steward-kit';

function ownText({ node, repositories, home = {} }: Pick<RecoveryKit, 'node' | 'repositories' | 'home'>): string[] {
  if (Object.keys(home).length === 0) return [];
  const data: z.input<typeof KitData> = {
    format: 'steward-kit/1',
    node,
    repositories: repositories.map(({ repository, key }) => ({ repository, ...(key !== undefined && { key }) })),
    home: { ...home },
  };
  return [
    '## Steward itself',
    '',
    'On a new machine, with Steward there and not started yet, and this page in the file kit.md:',
    '',
    '    steward restore-home --kit kit.md',
    '',
    'It makes a home (STEWARD_HOME) of the newest copy, and reads what it needs from the lines below: leave them as they are.',
    '',
    DATA,
    // One line: no text in it can end the block.
    JSON.stringify(data),
    '```',
    '',
  ];
}

/** What is in a page for `steward restore-home`; INPUT_INVALID where that is nothing it can use. */
export function readKit(page: string): KitData {
  const lines = page.split(/\r?\n/);
  // The last one: a name on the page may look like its beginning, and nothing comes after it.
  const text = lines[lines.lastIndexOf(DATA) + 1];
  try {
    if (!lines.includes(DATA) || text === undefined) throw new Error('it has no block for it');
    return KitData.parse(JSON.parse(text));
  } catch (cause) {
    throw new StewardError(
      'INPUT_INVALID',
      `This is no recovery kit that Steward can read: ${(cause as Error).message}`,
      {
        hint: 'Give the page that steward backup kit printed, as it was.',
        cause,
      },
    );
  }
}

function repositoryText({ repository, key, lock }: KitRepository): string[] {
  if (repository.kind === 'directory') {
    return [
      `### ${repository.name}: a directory`,
      '',
      'Not encrypted. Its README.txt tells the same as this page. What is there:',
      '',
      block([`ls -d ${shellWord(repository.path)}/*/*/`]),
      '',
    ];
  }
  return [
    `### ${repository.name}: restic`,
    '',
    key === undefined
      ? '**Its key is not in this kit: without it the copies cannot be read.**'
      : `Key: \`${line(key)}\``,
    '',
    ...lacking(repository).flatMap(({ name, reference }) => [
      `**${name} is not in this kit: Steward could not read it from ${reference}. Without it the place cannot be opened.**`,
      '',
    ]),
    ...sshKeyText(repository),
    ...lockText(lock),
    'What is there; a copy counts where it has a snapshot tagged `part=manifest.json`:',
    '',
    block([...opening(repository, key), 'restic snapshots --no-lock --tag steward,part=manifest.json']),
    '',
  ];
}

/** What a page cannot hold: whoever comes in by SSH does so with a key that lies with its user. */
function sshKeyText({ url, options }: RepositoryOf<'restic'>): string[] {
  if (!/^sftp:/i.test(url)) return [];
  const command = options.find((option) => /^sftp\.command=/i.test(option));
  return [
    '**The SSH key that opens it is not in this kit.** Keep it where this page is, or be ready to let another one in at that host.',
    command === undefined
      ? 'It is the one that ssh takes by itself for the user who ran Steward.'
      : `It was given by the option \`${line(command)}\`; where the key lies elsewhere, \`steward restore-home\` takes another one as --option.`,
    '',
  ];
}

/** What somebody deleted there is there still, and where that is not so, the page says that too. */
function lockText(lock: ObjectLock | undefined): string[] {
  if (!lock) return [];
  if (lock.state !== 'locked')
    return [`**It is not safe from whoever has its credentials, although it is to be: ${line(lock.message)}.**`, ''];
  return [
    `Its bucket keeps what is deleted: ${line(lock.message)}. Where somebody deleted or overwrote copies, read the bucket as it`,
    'was before: `rclone copy --s3-version-at INSTANT` puts that into a folder, which restic opens as a repository with this key.',
    '',
  ];
}

/** Secrets of a repository that are references still: whoever restores has to know them by other means. */
export function lacking(repository: BackupRepository): { readonly name: string; readonly reference: string }[] {
  if (repository.kind !== 'restic') return [];
  return Object.entries(repository.env).flatMap(([name, value]) =>
    typeof value === 'string' ? [] : [{ name, reference: line(JSON.stringify(value)) }],
  );
}

function copyText({ repository: name, location, manifest }: KitCopy, repositories: readonly KitRepository[]): string[] {
  const found = repositories.find(({ repository }) => repository.name === name);
  if (!found) return [];
  const { repository, key } = found;
  const heading = [`## ${manifest.source.name} (${manifest.source.kind}) from ${name}`, ''];
  const about = `The copy of ${manifest.snapshotAt}, \`${line(location)}\`.`;
  const commands =
    repository.kind === 'directory'
      ? fromDirectory(repository, location, manifest)
      : [...opening(repository, key), ...fromRestic(location, manifest)];
  return [...heading, about, '', block(commands), '', ...intoPlace(manifest), ''];
}

const UNPACK = `tar --extract --numeric-owner --preserve-permissions --xattrs --directory=${TARGET}`;

function fromDirectory({ path }: RepositoryOf<'directory'>, location: string, manifest: Manifest): string[] {
  const stamp = (location.split('/').at(-1) ?? '').split('_').slice(0, 2).join('_');
  return [
    `cd ${shellWord(`${path}/${location}`)}`,
    'sha256sum --check --quiet SHA256SUMS',
    ...manifest.parts.map(({ name, kind }) => {
      const file = shellWord(storedName(name, stamp));
      return kind === 'tree' || kind === 'databases'
        ? `zstd -dc ${file} | ${UNPACK}`
        : `zstd -dc ${file} > ${TARGET}/${shellWord(safeName(name))}`;
    }),
  ];
}

function fromRestic(location: string, manifest: Manifest): string[] {
  return manifest.parts.flatMap(({ name, kind, bytes }) => {
    const safe = safeName(name);
    const tag = `--tag ${shellWord(`steward,copy=${location},part=${safe}`)}`;
    if (kind === 'databases') return [`restic dump ${tag} latest ${shellWord(`/${safe}`)} | ${UNPACK}`];
    if (kind === 'tree') return [`restic restore latest ${tag} --target ${TARGET}`];
    // restic keeps no empty stream.
    if (bytes === 0) return [`: > ${TARGET}/${shellWord(safe)}`];
    return [`restic dump ${tag} latest ${shellWord(`/${safe}`)} > ${TARGET}/${shellWord(safe)}`];
  });
}

function opening({ url, env, options }: RepositoryOf<'restic'>, key: string | undefined): string[] {
  const variables = Object.entries(env).map(([name, value]) =>
    typeof value === 'string'
      ? `export ${name}=${shellWord(value)}`
      : `export ${name}=  # not in this kit: Steward had it from ${line(JSON.stringify(value))}`,
  );
  const own = options.map((option) => ` --option ${shellWord(option)}`).join('');
  return [
    ...variables,
    `export RESTIC_REPOSITORY=${shellWord(url)}`,
    `export RESTIC_PASSWORD=${key === undefined ? '  # its key' : shellWord(key)}`,
    ...(own === '' ? [] : [`restic() { command restic${own} "$@"; }`]),
  ];
}

/** What is done with the files once they are there. */
function intoPlace({ source, parts }: Manifest): string[] {
  const kind = source.kind as SourceKind;
  const named = (what: readonly string[]): typeof parts => parts.filter((part) => what.includes(part.kind));
  const file = (name: string): string => `${TARGET}/${shellWord(safeName(name))}`;
  const steps: Partial<Record<SourceKind, () => string[]>> = {
    postgres: () => [
      ...named(['globals']).map(({ name }) => `psql --dbname=postgres --file=${file(name)}`),
      ...named(['dump']).map(({ name }) => `pg_restore --create --clean --if-exists --dbname=postgres ${file(name)}`),
    ],
    mysql: () => [
      ...named(['globals']).map(({ name }) => `mariadb < ${file(name)}`),
      ...named(['dump']).map(({ name, database }) =>
        database === undefined
          ? `mariadb < ${file(name)}`
          : `mariadb --execute=${shellWord(`CREATE DATABASE IF NOT EXISTS \`${database.replaceAll('`', '``')}\``)} && mariadb ${shellWord(database)} < ${file(name)}`,
      ),
    ],
  };
  if (kind === 'steward')
    return [
      'These are the folders of a home; `steward restore-home`, at the end of this page, puts them into their places.',
    ];
  const commands = steps[kind]?.() ?? [];
  if (commands.length > 0) return ['Then, as the administrator of the server:', '', block(commands)];
  const images = named(['image', 'dump']).map(({ name }) => `\`${line(safeName(name))}\``);
  return images.length > 0
    ? [
        `Then stop whatever uses it, put ${images.join(', ')} in the place of its file with the same owner, and start it again.`,
      ]
    : ['Then stop whatever uses them, and move the files from below that folder to where they belong.'];
}

function block(commands: readonly string[]): string {
  return ['```sh', ...commands, '```'].join('\n');
}

/** Text from outside stays on its line and ends no code. */
function line(text: string): string {
  return text.replaceAll(/[\n\r`]/g, ' ');
}
