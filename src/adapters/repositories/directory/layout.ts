import { join } from 'node:path';
import { z } from 'zod';
import { Manifest } from '../../../core/backup/copy.ts';
import { BackupName } from '../../../core/backup/source.ts';
import { StewardError } from '../../../core/errors.ts';

/** Says that a folder is a repository; where it is missing nothing is written, for the disk may not be mounted. */
export const MARKER = 'steward-repository.json';
export const README = 'README.txt';
export const MANIFEST = 'manifest.json';
export const SUMS = 'SHA256SUMS';
/** What is being made or removed; never listed. On the same file system, so that a copy appears by one rename. */
export const UNFINISHED = '.unfinished';
export const LEASE = 'lease.json';

export const Marker = z.object({ format: z.literal('steward-directory/1'), id: z.string(), createdAt: z.string() });

/** The manifest as it lies in the folder: with the file of each part, as it is on the disk. */
export const StoredManifest = Manifest.extend({
  files: z.array(z.object({ part: z.string(), file: z.string(), bytes: z.number().int(), sha256: z.string() })),
});
export type StoredManifest = z.output<typeof StoredManifest>;
export type StoredFile = StoredManifest['files'][number];

const LOCATION = /^([^/]+)\/(\d{8}_\d{6}(?:_\d+)?)$/;

/** The folder of a copy. A location comes from a record or from a person: it leads nowhere else. */
export function folderOf(root: string, location: string): string {
  const [, source, stamp] = LOCATION.exec(location) ?? [];
  if (source !== undefined && stamp !== undefined && BackupName.safeParse(source).success)
    return join(root, source, stamp);
  throw new StewardError('INPUT_INVALID', `'${location}' is no place of a copy in a directory.`, {
    hint: 'Expected source/YYYYMMDD_HHMMSS, as the list of copies has it.',
  });
}

export const STAMP = /^\d{8}_\d{6}(?:_\d+)?$/;

export const README_TEXT = `Copies made by Steward. Nothing but standard tools is needed to restore one.

  <source>/<YYYYMMDD_HHMMSS>/   one copy each, named by its time in UTC
    SHA256SUMS                  what every file of it must be
    manifest.json               what it holds, written last: a folder without it is no copy
    *.zst                       the parts, compressed with zstd, named by their format

Is it whole?        cd <source>/<time> && sha256sum -c SHA256SUMS
PostgreSQL dump     zstd -dc shop_backup_*.dump.zst | pg_restore --clean --if-exists --dbname=shop
SQL (globals, MariaDB)  zstd -dc shop_backup_*.sql.zst | psql shop      or: | mariadb shop
Files and folders   zstd -dc files_backup_*.tar.zst | tar --extract --numeric-owner --preserve-permissions --xattrs --directory=/some/empty/folder
One file of them    ... the same, with its path without the first / at the end
SQLite among them   databases_backup_*.tar.zst, unpacked in the same way into the same folder
SQLite, Redis       zstd -d shop_backup_*.db.zst       stop the program, put the file in its place, start it

manifest.json names each part, its database, its length and its SHA-256 before compression.
Folders below .unfinished were being written; Steward removes what nobody works on.
`;
