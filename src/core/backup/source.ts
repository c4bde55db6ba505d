import { z } from 'zod';
import { Duration } from '../duration.ts';
import { SecretReference } from '../secrets.ts';

/** What a copy is called by: part of paths and of file names, so nothing that leads elsewhere. */
export const BackupName = z
  .string()
  .regex(/^[a-zA-Z0-9][a-zA-Z0-9._-]{0,62}$/, 'expected letters, digits, dots, - and _, at most 63')
  .refine((name) => !name.includes('..'), 'expected no two dots in a row');

/** What somebody knows to be true of the data: asked of the restored copy; of the original only around a migration. */
export const Assertion = z.object({
  name: z.string().min(1).describe("In words: 'orders from yesterday exist'."),
  database: z.string().optional().describe('Of which database of the server; by default the first.'),
  sql: z.string().min(1).describe('A query whose first column of its first row is true, or not zero.'),
  timeout: Duration.default('2m').describe('One that takes longer says nothing of the copy.'),
});
export type Assertion = z.output<typeof Assertion>;

/**
 * A program of the user's that says whether the application is well on the restored copy: exit code 0 means yes, any other no.
 * One that could not be run to its end says nothing.
 */
export const Smoke = z.object({
  command: z
    .array(z.string())
    .min(1)
    .describe('Program and arguments; it finds the sandbox in STEWARD_SANDBOX_* variables.'),
  timeout: Duration.default('60s'),
});
export type Smoke = z.output<typeof Smoke>;

const common = {
  name: BackupName.describe('What the source is called.'),
  repositories: z.array(BackupName).optional().describe('Where its copies go; by default to every repository.'),
  every: Duration.optional().describe(
    'A copy is at most this old; older is alarmed. By default as old as backups.schedule lets it become: 1d, and 6h for databases.',
  ),
  critical: z.boolean().default(false).describe('Alerts about it are not held back.'),
  smoke: Smoke.optional(),
};

const container = z
  .string()
  .regex(/^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/, 'expected the name of a container as `docker ps` shows it')
  .optional()
  .describe(
    'In place of host: the Docker container that it runs in. Its address is asked for at each use; port is the one inside, which need not be published.',
  );

const server = {
  container,
  host: z.string().min(1).default('127.0.0.1').describe('Host name, address, or the folder of the Unix socket.'),
  user: z.string().min(1).optional(),
  password: SecretReference.optional(),
  tls: z
    .enum(['disable', 'prefer', 'require', 'verify-full'])
    .default('prefer')
    .describe('prefer: encrypted where the server can; verify-full: also by a certificate of exactly this host.'),
  ca: z.string().min(1).optional().describe('File of the authority that signed the certificate of the server.'),
  databases: z.array(z.string().min(1)).optional().describe('Only these; by default every database of the server.'),
  excludeDatabases: z
    .array(z.string().min(1))
    .default([])
    .describe('Databases that are not copied; the plan names them.'),
  excludeTables: z
    .array(z.string().min(1))
    .default([])
    .describe('Tables whose rows are not copied, as database.schema.table or a pattern with *; their structure is.'),
  excludeColumns: z
    .array(z.string().min(1))
    .default([])
    .describe(
      'Columns that hold secrets, as database.schema.table.column: their values are left out, and the rest is kept.',
    ),
  assertions: z.array(Assertion).default([]),
};

const postgresPort = z.number().int().min(1).max(65_535).default(5432);

/** Another PostgreSQL that copies are tried on, each in a database that is made for it and removed. */
export const StagingServer = z.strictObject({
  host: z.string().min(1).describe('Host name, address, or the folder of the Unix socket.'),
  port: postgresPort,
  user: z.string().min(1).optional().describe('It may create databases.'),
  password: SecretReference.optional(),
  tls: server.tls,
  ca: server.ca,
  always: z
    .boolean()
    .default(false)
    .describe('Also where this machine has a PostgreSQL to start, on which drills take place otherwise.'),
});
export type StagingServer = z.output<typeof StagingServer>;

export const PostgresSource = z.strictObject({
  kind: z.literal('postgres'),
  ...common,
  ...server,
  port: postgresPort,
  drillOn: StagingServer.optional().describe(
    'Where its copies are restored in drills, if this machine has no PostgreSQL to start. By default backups.staging, else its own server.',
  ),
});
export const MysqlSource = z.strictObject({
  kind: z.literal('mysql'),
  ...common,
  ...server,
  port: z.number().int().min(1).max(65_535).default(3306),
});
export const SqliteSource = z.strictObject({
  kind: z.literal('sqlite'),
  ...common,
  path: z.string().min(1).describe('The database file.'),
  assertions: z.array(Assertion).default([]),
});
export const RedisSource = z.strictObject({
  kind: z.literal('redis'),
  ...common,
  container,
  host: z.string().min(1).default('127.0.0.1').describe('Host name, address, or the path of the Unix socket.'),
  port: z.number().int().min(1).max(65_535).default(6379),
  user: z.string().optional(),
  password: SecretReference.optional(),
});
const hook = z.array(z.string()).min(1);
export const VolumeSource = z.strictObject({
  kind: z.literal('volume'),
  ...common,
  volume: z.string().min(1).describe('Name of the Docker volume.'),
  exclude: z.array(z.string().min(1)).default([]).describe('Paths below it that are not copied; patterns with *.'),
  quiesce: z
    .strictObject({
      pause: z.boolean().default(false).describe('Its containers are paused while it is read.'),
      before: hook.optional().describe('Run in its first container before it is read.'),
      after: hook.optional().describe('Run there afterwards, also where reading failed.'),
    })
    .prefault({})
    .describe('How whoever writes there is brought to rest.'),
});
export const FilesSource = z.strictObject({
  kind: z.literal('files'),
  ...common,
  paths: z
    .array(z.string().min(1))
    .min(1)
    .describe('Files, folders and patterns with *; ~ is the home of whoever runs Steward.'),
  exclude: z.array(z.string().min(1)).default([]).describe('Paths and patterns that are not copied.'),
});
export const CertificatesSource = z.strictObject({
  kind: z.literal('certificates'),
  ...common,
  paths: z.array(z.string().min(1)).min(1).default(['/etc/letsencrypt', '/etc/ssl/private']),
});
/** Steward's own state: its store, its configuration, what its runs produced and, where they may lie there, its keys. */
export const StewardSource = z.strictObject({
  kind: z.literal('steward'),
  ...common,
  keys: z
    .enum(['encrypted', 'always', 'never'])
    .default('encrypted')
    .describe(
      'To which repositories its keys go: to the encrypted ones, to all, or to none. The recovery kit has them in any case.',
    ),
});
export const BackupSource = z.discriminatedUnion('kind', [
  PostgresSource,
  MysqlSource,
  SqliteSource,
  RedisSource,
  VolumeSource,
  FilesSource,
  CertificatesSource,
  StewardSource,
]);
export type BackupSource = z.output<typeof BackupSource>;
export type SourceKind = BackupSource['kind'];
export type SourceOf<Kind extends SourceKind> = Extract<BackupSource, { kind: Kind }>;

/** Where the configuration says that the server of a source is; undefined where it is none. What is in a container has no address that lasts. */
export function addressOfSource(source: BackupSource): string | undefined {
  if (!('host' in source)) return undefined;
  return `${source.container === undefined ? source.host : `container ${source.container}`}:${source.port}`;
}

export const DATABASE_KINDS: ReadonlySet<SourceKind> = new Set<SourceKind>([
  'postgres',
  'mysql',
  'sqlite',
  'redis',
  'steward',
]);
