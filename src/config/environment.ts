import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import type { SecretReference } from '../core/secrets.ts';
import type { ConfigInput } from './schema.ts';

/** Every variable that Steward reads. The reference page is made from this table. */
export const ENVIRONMENT = {
  STEWARD_HOME: 'The data folder. By default /var/lib/steward for root, ~/.local/share/steward otherwise.',
  STEWARD_CONFIG: 'The configuration file. By default steward.yaml in the data folder.',
  STEWARD_DATABASE_URL:
    'Your PostgreSQL, as postgres://user:password@host/database. By default Steward starts its own.',
  STEWARD_JOIN_TOKEN: 'What steward node invite printed on another node: this one joins with it, once.',
  STEWARD_HOST: 'Overrides server.host.',
  STEWARD_PORT: 'Overrides server.port.',
  STEWARD_PUBLIC_URL: 'Overrides server.publicUrl.',
  STEWARD_NODE_NAME: 'Overrides node.name.',
  STEWARD_LOG_LEVEL: 'Overrides log.level.',
  STEWARD_MAX_MEMORY_USAGE: 'Overrides machine.memory.',
  STEWARD_MAX_DISK_USAGE: 'Overrides machine.disk.',
  STEWARD_MAX_LOAD_THRESHOLD: 'Overrides machine.load.',
  SUTAZAI_MAX_MEMORY_USAGE: 'Another name of STEWARD_MAX_MEMORY_USAGE, which stands before it.',
  SUTAZAI_MAX_DISK_USAGE: 'Another name of STEWARD_MAX_DISK_USAGE, which stands before it.',
  SUTAZAI_MAX_LOAD_THRESHOLD: 'Another name of STEWARD_MAX_LOAD_THRESHOLD, which stands before it.',
  CRITICAL_THRESHOLD: 'Overrides reports.criticalFailures.',
  RENEWAL_THRESHOLD_DAYS: 'Overrides reports.renewalDays.',
  EMAIL_RECIPIENT: 'Overrides reports.emailRecipient.',
  REPORT_PERIOD: 'Overrides reports.period: daily, weekly or monthly.',
  REPORT_FORMAT: 'Overrides reports.format: json, html or both.',
  RETENTION_DAYS: 'Overrides retention.reports, in days.',
  HEALTH_CHECK_INTERVAL: 'Overrides monitoring.every, in seconds.',
  MAX_RESPONSE_TIME: 'Overrides monitoring.slow, in seconds.',
  CONSECUTIVE_FAILURES: 'Overrides monitoring.failures.',
  MAX_RESTARTS_PER_HOUR: 'Overrides healing.perHour.',
  MAX_BACKUP_AGE_DAYS: 'Overrides backups.maxAge, in days.',
  MAX_VERIFICATION_TIME: 'Overrides backups.verification.limit, in seconds.',
  VERIFY_ALL: 'Overrides backups.verification.all: true or false.',
  BACKUP_RETENTION_DAYS: 'Overrides backups.retention, in days.',
  VACUUM_THRESHOLD_DAYS: 'Overrides databases.vacuum, in days.',
  REINDEX_THRESHOLD_DAYS: 'Overrides databases.reindex, in days.',
  MAX_CONNECTION_THRESHOLD: 'Overrides databases.connections, in percent.',
  POSTGRES_HOST:
    'With POSTGRES_USER and POSTGRES_PASSWORD: a source of backups called postgres, unless the file has one of that name.',
  POSTGRES_USER: 'See POSTGRES_HOST.',
  POSTGRES_PASSWORD: 'See POSTGRES_HOST. It is read when it is needed, and kept nowhere.',
  POSTGRES_HOST_STAGING:
    'Overrides backups.staging.host: with POSTGRES_USER_STAGING and POSTGRES_PASSWORD_STAGING, where drills of PostgreSQL restore to.',
  POSTGRES_USER_STAGING: 'Overrides backups.staging.user.',
  POSTGRES_PASSWORD_STAGING: 'Is backups.staging.password. It is read when it is needed, and kept nowhere.',
  SPACES_ACCESS_KEY: 'Is backups.s3.accessKey: of restic repositories at s3: that name no credentials of their own.',
  SPACES_SECRET_KEY: 'Is backups.s3.secretKey. Both are read when they are needed, and kept nowhere.',
  WEBHOOK_SECRET_BANK:
    'The secret of the webhook type bank, where webhooks.types names none: WEBHOOK_SECRET_ and its name, with _ for what is no letter or digit. It is read when it is needed, and kept nowhere.',
  WEBHOOK_SECRET_EXPENSE: 'See WEBHOOK_SECRET_BANK.',
  WEBHOOK_URL:
    'With WEBHOOK_TOKEN: an endpoint called health-check that is told of each health report, unless endpoints.list has one of that name.',
  WEBHOOK_TOKEN:
    'See WEBHOOK_URL. Sent as Authorization: Bearer. Both are read when they are needed, and kept nowhere.',
  STEWARD_URL: 'For the command line: the address of the Steward to talk to, instead of the one on this machine.',
  STEWARD_TOKEN: 'For the command line: the token to talk with.',
  NO_COLOR: 'For the command line: no colors, whatever the value.',
  DOCKER_HOST: 'The address of Docker, as the docker command takes it. By default its Unix socket.',
  CREDENTIALS_DIRECTORY: 'Set by systemd: where {credential: name} is looked up.',
  XDG_DATA_HOME: 'Replaces ~/.local/share in the default data folder.',
} as const;
export type VariableName = keyof typeof ENVIRONMENT;

/** How the text of a variable is read. What does not fit stays text, so that the schema refuses it by name. */
const READ = {
  text: (text: string) => text,
  number: (text: string) => (isNumber(text) ? Number(text) : text),
  boolean: (text: string) => (/^(true|false)$/i.test(text) ? text.toLowerCase() === 'true' : text),
  seconds: (text: string) => (isNumber(text) ? `${text}s` : text),
  days: (text: string) => (isNumber(text) ? `${text}d` : text),
  secret: (_text: string, name: string) => ({ env: name }),
} as const;

const isNumber = (text: string): boolean => /^\d+(\.\d+)?$/.test(text);

/** Which variable overrides which member of the configuration; of several that are set, the last. */
export const OVERRIDES = [
  ['STEWARD_HOST', ['server', 'host'], 'text'],
  ['STEWARD_PORT', ['server', 'port'], 'number'],
  ['STEWARD_PUBLIC_URL', ['server', 'publicUrl'], 'text'],
  ['STEWARD_NODE_NAME', ['node', 'name'], 'text'],
  ['STEWARD_LOG_LEVEL', ['log', 'level'], 'text'],
  ['SUTAZAI_MAX_MEMORY_USAGE', ['machine', 'memory'], 'number'],
  ['SUTAZAI_MAX_DISK_USAGE', ['machine', 'disk'], 'number'],
  ['SUTAZAI_MAX_LOAD_THRESHOLD', ['machine', 'load'], 'number'],
  ['STEWARD_MAX_MEMORY_USAGE', ['machine', 'memory'], 'number'],
  ['STEWARD_MAX_DISK_USAGE', ['machine', 'disk'], 'number'],
  ['STEWARD_MAX_LOAD_THRESHOLD', ['machine', 'load'], 'number'],
  ['CRITICAL_THRESHOLD', ['reports', 'criticalFailures'], 'number'],
  ['RENEWAL_THRESHOLD_DAYS', ['reports', 'renewalDays'], 'number'],
  ['EMAIL_RECIPIENT', ['reports', 'emailRecipient'], 'text'],
  ['REPORT_PERIOD', ['reports', 'period'], 'text'],
  ['REPORT_FORMAT', ['reports', 'format'], 'text'],
  ['RETENTION_DAYS', ['retention', 'reports'], 'days'],
  ['HEALTH_CHECK_INTERVAL', ['monitoring', 'every'], 'seconds'],
  ['MAX_RESPONSE_TIME', ['monitoring', 'slow'], 'seconds'],
  ['CONSECUTIVE_FAILURES', ['monitoring', 'failures'], 'number'],
  ['MAX_RESTARTS_PER_HOUR', ['healing', 'perHour'], 'number'],
  ['MAX_BACKUP_AGE_DAYS', ['backups', 'maxAge'], 'days'],
  ['MAX_VERIFICATION_TIME', ['backups', 'verification', 'limit'], 'seconds'],
  ['VACUUM_THRESHOLD_DAYS', ['databases', 'vacuum'], 'days'],
  ['REINDEX_THRESHOLD_DAYS', ['databases', 'reindex'], 'days'],
  ['MAX_CONNECTION_THRESHOLD', ['databases', 'connections'], 'number'],
  ['VERIFY_ALL', ['backups', 'verification', 'all'], 'boolean'],
  ['BACKUP_RETENTION_DAYS', ['backups', 'retention'], 'days'],
  ['POSTGRES_HOST_STAGING', ['backups', 'staging', 'host'], 'text'],
  ['POSTGRES_USER_STAGING', ['backups', 'staging', 'user'], 'text'],
  ['POSTGRES_PASSWORD_STAGING', ['backups', 'staging', 'password'], 'secret'],
  ['SPACES_ACCESS_KEY', ['backups', 's3', 'accessKey'], 'secret'],
  ['SPACES_SECRET_KEY', ['backups', 's3', 'secretKey'], 'secret'],
] as const satisfies readonly (readonly [
  VariableName,
  readonly [keyof ConfigInput, string, ...string[]],
  keyof typeof READ,
])[];

/** Variables that programs started by Steward inherit; nothing else reaches them. */
const INHERITED = [
  'PATH',
  'HOME',
  'USER',
  'LOGNAME',
  'LANG',
  'LC_ALL',
  'TZ',
  'TMPDIR',
  'XDG_RUNTIME_DIR',
  'DBUS_SESSION_BUS_ADDRESS',
];

export interface Environment {
  readonly home: string;
  /** Set only where somebody named a file: then it has to exist. */
  readonly configFile: string | undefined;
  readonly databaseUrl: string | undefined;
  readonly joinToken: string | undefined;
  /** Values for members of the configuration, each with the variable it comes from. */
  readonly overrides: readonly Override[];
  readonly url: string | undefined;
  readonly token: string | undefined;
  readonly noColor: boolean;
  readonly dockerHost: string | undefined;
  readonly credentialsDirectory: string | undefined;
  readonly inherited: Readonly<Record<string, string>>;
  /** Any variable, for secrets that are kept in one. */
  variable(name: string): string | undefined;
}

/** An entry of a list in the configuration: one that the file has under the same name stands before it. */
export interface NamedInput {
  readonly name: string;
  readonly [member: string]: unknown;
}

export interface Override {
  readonly variable: VariableName;
  readonly path: readonly [string, ...string[]];
  readonly value: string | number | boolean | SecretReference | readonly NamedInput[];
}

/** The only reader of the process's environment. An empty variable counts as not set. */
export function readEnvironment(source: NodeJS.ProcessEnv = process.env): Environment {
  const variable = (name: string): string | undefined => source[name] || undefined;
  const known = (name: VariableName): string | undefined => variable(name);
  const configFile = known('STEWARD_CONFIG');
  return {
    home: resolve(known('STEWARD_HOME') ?? defaultHome(known('XDG_DATA_HOME'))),
    configFile: configFile && resolve(configFile),
    databaseUrl: known('STEWARD_DATABASE_URL'),
    joinToken: known('STEWARD_JOIN_TOKEN'),
    overrides: [
      ...OVERRIDES.flatMap(([name, path, as]) => {
        const text = known(name);
        return text === undefined ? [] : [{ variable: name, path, value: READ[as](text, name) }];
      }),
      ...databaseIn(known),
      ...endpointIn(known),
    ],
    url: known('STEWARD_URL'),
    token: known('STEWARD_TOKEN'),
    noColor: source['NO_COLOR'] !== undefined,
    dockerHost: known('DOCKER_HOST'),
    credentialsDirectory: known('CREDENTIALS_DIRECTORY'),
    inherited: Object.fromEntries(INHERITED.flatMap((name) => (source[name] ? [[name, source[name]]] : []))),
    variable,
  };
}

function databaseIn(known: (name: VariableName) => string | undefined): Override[] {
  const [host, user] = [known('POSTGRES_HOST'), known('POSTGRES_USER')];
  if (host === undefined) return [];
  const source = {
    name: 'postgres',
    kind: 'postgres',
    host,
    ...(user !== undefined && { user }),
    ...(known('POSTGRES_PASSWORD') !== undefined && { password: { env: 'POSTGRES_PASSWORD' } }),
  };
  return [{ variable: 'POSTGRES_HOST', path: ['backups', 'sources'], value: [source] }];
}

function endpointIn(known: (name: VariableName) => string | undefined): Override[] {
  if (known('WEBHOOK_URL') === undefined || known('WEBHOOK_TOKEN') === undefined) return [];
  const [url, token] = [{ env: 'WEBHOOK_URL' }, { env: 'WEBHOOK_TOKEN' }];
  const endpoint = { name: 'health-check', url, token, body: 'health-check' };
  return [{ variable: 'WEBHOOK_URL', path: ['endpoints', 'list'], value: [endpoint] }];
}

function defaultHome(dataHome: string | undefined): string {
  return process.getuid?.() === 0
    ? '/var/lib/steward'
    : join(dataHome ?? join(homedir(), '.local', 'share'), 'steward');
}
