import { z } from 'zod';
import { SecretReference } from '../secrets.ts';
import { BackupName } from './source.ts';

const common = {
  name: BackupName.describe('What the repository is called.'),
  appendOnly: z
    .boolean()
    .default(false)
    .describe('Whoever may write there may not delete: retention leaves it alone and says so.'),
};

/** Files that a person can restore with standard tools and without Steward. */
export const DirectoryRepository = z.strictObject({
  kind: z.literal('directory'),
  ...common,
  path: z.string().min(1).describe('A folder; it may be a mounted one.'),
});

/** Encrypted, deduplicated, incremental: what restic calls a repository. */
export const ResticRepository = z.strictObject({
  kind: z.literal('restic'),
  ...common,
  url: z
    .string()
    .min(1)
    .describe(
      'As restic has it: /srv/restic, sftp:user@host:/path, s3:https://host/bucket/prefix, rest:https://host/.',
    ),
  password: SecretReference.optional().describe('Its key; by default Steward makes one and keeps it in its home.'),
  env: z
    .record(z.string().regex(/^[A-Z][A-Z0-9_]*$/), z.union([z.string(), SecretReference]))
    .default({})
    .describe('Variables for restic: AWS_ACCESS_KEY_ID: {env: SPACES_ACCESS_KEY}.'),
  options: z.array(z.string()).default([]).describe('Options of restic: sftp.command=..., s3.connections=2.'),
  objectLock: z
    .union([
      z.boolean(),
      z.strictObject({
        days: z
          .number()
          .int()
          .min(1)
          .max(36_500)
          .describe('The default retention of the bucket is at least this long.'),
      }),
    ])
    .optional()
    .describe(
      'Its bucket (s3:) is locked: what is written there cannot be deleted for so many days. The bucket is asked whether that is so, and backups renew the lock of what copies need.',
    ),
  uploadLimit: z.number().int().min(1).optional().describe('KiB a second at most.'),
});

export const BackupRepository = z.discriminatedUnion('kind', [DirectoryRepository, ResticRepository]);
export type BackupRepository = z.output<typeof BackupRepository>;
export type RepositoryOf<Kind extends BackupRepository['kind']> = Extract<BackupRepository, { kind: Kind }>;
