import { isAbsolute } from 'node:path';
import { z } from 'zod';
import { ms } from '../core/duration.ts';
import { type BackupRepository, DirectoryRepository, ResticRepository } from '../core/backup/repository.ts';
import { Retention, retentionOf } from '../core/backup/retention.ts';
import { BackupSchedule } from '../core/backup/schedule.ts';
import { BackupSource, StagingServer } from '../core/backup/source.ts';
import { SecretReference } from '../core/secrets.ts';
import { duration, names, uniqueBy } from './schema-parts.ts';

/** What a source has as its host where it says nothing. */
const HERE = '127.0.0.1';

const Repository = z
  .discriminatedUnion('kind', [
    DirectoryRepository.refine(({ path }) => isAbsolute(path), {
      path: ['path'],
      error: 'expected an absolute path',
    }),
    ResticRepository.refine(({ url, objectLock = false }) => objectLock === false || url.startsWith('s3:'), {
      path: ['objectLock'],
      error: 'expected a repository at s3: for a lock of its bucket',
    }),
  ])
  .describe('A place for copies.') satisfies z.ZodType<BackupRepository>;

export const Backups = z
  .strictObject({
    repositories: uniqueBy('name', z.array(Repository))
      .default([])
      .describe("Where copies go. Without any, to the folder 'backups' in the home of Steward."),
    s3: z
      .strictObject({ accessKey: SecretReference, secretKey: SecretReference })
      .optional()
      .describe('Credentials of restic repositories at s3: that name no AWS_ variable of their own.'),
    staging: StagingServer.optional().describe(
      'Where copies of PostgreSQL are restored in drills, if this machine has no PostgreSQL to start and the source names no drillOn.',
    ),
    sources: uniqueBy('name', z.array(BackupSource))
      .default([])
      .describe('What is copied; `steward backup proposals` shows what could be and is not.'),
    self: z
      .boolean()
      .default(true)
      .describe("Steward's own state is copied too, as the source self, unless a source of the kind steward is named."),
    retention: z
      .union([
        Retention,
        z.string().refine((text) => retentionOf(text) !== undefined, 'expected a number of days such as 30d'),
      ])
      .transform((given) => (typeof given === 'string' ? (retentionOf(given) ?? Retention.parse({})) : given))
      .prefault({})
      .describe(
        'Which copies stay: {within, perDay, daily, weekly, monthly}, or 30d. The last proven one always does.',
      ),
    schedule: BackupSchedule.default('every-6h').describe(
      'When copies are made, in UTC. every-6h, hourly: databases so often and everything at 03:00; daily-02:00, daily-03:00: everything once a day; weekly: everything on Sunday at 03:00; daily and before-maintenance are other names of daily-03:00, after which databases are maintained.',
    ),
    maxAge: duration('1h', '365d')
      .optional()
      .describe('A source without a younger copy is an incident. By default 7d, and 9d where the schedule is weekly.'),
    verification: z
      .strictObject({
        limit: duration('10s', '1d').default('300s').describe('The daily verification begins nothing new after this.'),
        all: z.boolean().default(false).describe('Restores every source each day, not one of them in turn.'),
      })
      .prefault({})
      .describe('How copies are verified.'),
    shrink: z
      .number()
      .min(0.01)
      .max(1)
      .default(0.5)
      .describe('A copy smaller than the usual one by this share is an incident: 0.5 is half.'),
    slow: z
      .number()
      .min(1.5)
      .max(1_000)
      .default(4)
      .describe('A copy that takes so many times what is usual, and a minute more, is an incident.'),
    ignore: z
      .array(z.string().min(1))
      .default([])
      .describe('What needs no copy: names as `steward backup proposals` shows them; * stands for any part of one.'),
    nearlyFull: z
      .number()
      .min(1)
      .max(100)
      .default(90)
      .describe('A repository that is fuller than so many percent is an incident.'),
  })
  .superRefine(({ repositories, sources, self, schedule, maxAge }, context) => {
    if (schedule === 'weekly' && maxAge !== undefined && ms(maxAge) < ms('8d'))
      context.addIssue({
        code: 'custom',
        path: ['maxAge'],
        message: 'expected 8d at least: with the schedule weekly a copy is 7 days old before the next one is made',
      });
    const known = names(repositories);
    for (const [index, { name, kind }] of sources.entries()) {
      if (
        self &&
        kind !== 'steward' &&
        (name === OWN_SOURCE || name === OWN_STORE) &&
        !sources.some((each) => each.kind === 'steward')
      )
        context.addIssue({
          code: 'custom',
          path: ['sources', index, 'name'],
          message: `expected another name: '${name}' is Steward itself, unless self is false`,
        });
    }
    for (const [index, source] of sources.entries()) {
      if ('container' in source && source.container !== undefined && source.host !== HERE)
        context.addIssue({
          code: 'custom',
          path: ['sources', index, 'host'],
          message: 'expected either host or container: the address of a container is asked for at each use',
        });
      for (const [position, name] of (source.repositories ?? []).entries()) {
        if (!known.has(name))
          context.addIssue({
            code: 'custom',
            path: ['sources', index, 'repositories', position],
            message: `expected the name of a repository in this file; there is no '${name}'`,
          });
      }
    }
  });

/** What Steward itself is called among the sources, where nobody names it. */
export const OWN_SOURCE = 'self';
/** And its store, where that is a PostgreSQL of the operator's. */
export const OWN_STORE = 'self-store';

/** The repository that there is where none is configured. */
export const OWN_REPOSITORY = 'local';
