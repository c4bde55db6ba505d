import { z } from 'zod';
import { Duration } from './duration.ts';

/** What is looked at on the machine itself. */

const absolute = z.string().regex(/^\//, 'expected an absolute path').max(4096);
const percent = z.number().min(1).max(100);
/** The ladder of a resource: first a warning, then what healing acts on. */
const warn = (fallback: number): z.ZodDefault<z.ZodNumber> =>
  percent.default(fallback).describe('Percent in use above which it is degraded.');
const heal = percent.default(90).describe('Percent in use above which healing has to act.');

/** Bytes, or a text such as 512KB, 20MB, 2GB. */
export const Size = z
  .union([
    z.number().int().min(0),
    z.string().regex(/^\d{1,6}(KB|MB|GB)$/, 'expected a size such as 512KB, 20MB or 2GB'),
  ])
  .describe('Bytes, or a size such as 512KB, 20MB or 2GB.');
export type Size = z.output<typeof Size>;

const UNITS: Readonly<Record<string, number>> = { KB: 1024, MB: 1024 ** 2, GB: 1024 ** 3 };

export function sizeInBytes(size: Size): number {
  return typeof size === 'number' ? size : Number(size.slice(0, -2)) * (UNITS[size.slice(-2)] ?? 1);
}

export const ProcessTarget = z.object({
  kind: z.literal('process'),
  pid: z.number().int().optional(),
  executable: z.string().optional(),
  argvContains: z.string().optional(),
});

const Member = z.object({
  name: z.string().min(1).max(100).describe('How this part is called.'),
  executable: z.string().min(1).optional().describe('Path of its executable, or its file name.'),
  argvContains: z.string().min(1).optional().describe('Text in its arguments.'),
  user: z.string().min(1).optional().describe('As whom it runs.'),
  min: z.number().int().min(0).default(1).describe('Processes that must run.'),
  max: z.number().int().min(0).optional().describe('Processes that may run.'),
});
export type ProcessMember = z.output<typeof Member>;

export const ProcessesTarget = z.object({
  kind: z.literal('processes'),
  members: z.array(Member).min(1).max(50).describe('The parts of the service, each with what tells its processes.'),
  need: z
    .enum(['all', 'any'])
    .default('all')
    .describe('all: one part that is missing makes the service down; any: it is degraded while one is left.'),
});

export const SystemdTarget = z.object({
  kind: z.literal('systemd'),
  unit: z.string(),
  scope: z.enum(['system', 'user']).default('system'),
});

export const ContainerTarget = z.object({
  kind: z.literal('container'),
  container: z.string().describe('Container id or name.'),
  memory: percent
    .optional()
    .describe(
      'Percent of its memory limit above which it is degraded and healing has to act; by default 90. One without a limit is not judged.',
    ),
});

export const DiskTarget = z.object({
  kind: z.literal('disk'),
  path: absolute.optional().describe('A path on the disk that is meant; by default every disk that is mounted.'),
  warn: warn(85),
  heal,
  minFree: Size.optional().describe('Bytes that must be free, whatever the percentage.'),
});

export const InodesTarget = z.object({
  kind: z.literal('inodes'),
  path: absolute.optional().describe('A path on the disk that is meant; by default every disk that is mounted.'),
  warn: warn(85),
  heal,
});

export const MemoryTarget = z.object({ kind: z.literal('memory'), warn: warn(80), heal });

export const LoadTarget = z.object({
  kind: z.literal('load'),
  perCore: z
    .number()
    .min(0.1)
    .max(1000)
    .default(1.5)
    .describe('Average load of the last five minutes, for each core, above which the machine is degraded.'),
});

export const FileTarget = z.object({
  kind: z.literal('file'),
  path: absolute.describe('A file, or a pattern such as /backup/db-*.dump: the newest that fits is looked at.'),
  maxAge: Duration.optional().describe('It was written within this time.'),
  minSize: Size.optional().describe('It is not smaller.'),
  maxSize: Size.optional().describe('It is not larger.'),
  exists: z.boolean().default(true).describe('false: there must be none, as of a mark that something left behind.'),
});

export const LogTarget = z.object({
  kind: z.literal('log'),
  path: absolute.describe('The log file.'),
  maxSize: Size.optional().describe('Above it the log is degraded.'),
  maxPerMinute: Size.optional().describe('It grows by less in a minute, measured between two looks.'),
  maxIdle: Duration.optional().describe('Something was written to it within this time.'),
});

export const SqliteTarget = z.object({
  kind: z.literal('sqlite'),
  path: absolute.describe('The database file. It is opened for reading alone.'),
  maxLockWait: Duration.default('30s').describe(
    'A lock that one process holds against all others for longer makes it degraded (database.locked).',
  ),
});
