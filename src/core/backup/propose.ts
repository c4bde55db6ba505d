import type { Endpoint, Resource } from '../resource.ts';
import { matchesGlob } from '../glob.ts';
import { createExcluder, isWithin } from './excludes.ts';
import type { BackupSource, SourceKind } from './source.ts';

/** What was seen of a machine beside its services. */
export interface SeenForBackups {
  /** SQLite files that a process has open. */
  readonly sqlite: readonly { readonly path: string; readonly by: string }[];
  /** Containers that this machine cannot reach as they are, and what would change that. */
  readonly unreachable: readonly { readonly container: string; readonly todo: string }[];
  readonly volumes: readonly { readonly name: string; readonly images: readonly string[] }[];
  readonly units: readonly string[];
  readonly mcpFiles: readonly string[];
  readonly certificates: readonly string[];
}

/** Something on this machine that could be copied, and whether it is. */
export interface ProposedSource {
  readonly name: string;
  readonly kind: SourceKind;
  readonly coveredBy: string | undefined;
  readonly why: string;
  /** What a person has to add to it. */
  readonly missing: string | undefined;
  /** For backups.sources in steward.yaml. */
  readonly yaml: string;
}

const LOGIN = 'a user that may read everything, and its password';
const SERVERS: Readonly<Record<string, { readonly kind: SourceKind; readonly missing: string }>> = Object.fromEntries([
  ...['postgresql', 'postgres', 'timescaledb'].map((name) => [name, { kind: 'postgres', missing: LOGIN }]),
  ...['mysql', 'mariadb', 'percona'].map((name) => [name, { kind: 'mysql', missing: LOGIN }]),
  ...['redis', 'valkey', 'keydb'].map((name) => [name, { kind: 'redis', missing: 'a password, where it has one' }]),
]);

/** Volumes whose content is a database's, which is dumped by a source of its own. */
const DATABASE_IMAGE =
  /(^|[/-])(postgres(ql)?|postgis|timescaledb|pgvector|mariadb|mysql|percona|redis|valkey|keydb)([:@-]|$)/;

/**
 * Everything that could be copied of one machine, each with the configured source that has it already. Nothing is copied by
 * this: a person adds what is proposed, and what it lacks.
 */
export function proposeSources(
  resources: readonly Resource[],
  seen: SeenForBackups,
  configured: readonly BackupSource[],
): ProposedSource[] {
  const names = new Set<string>();
  const named = (wish: string): string => {
    const plain =
      wish
        .replaceAll(/[^a-zA-Z0-9_-]+/g, '-')
        .replaceAll(/^-+|-+$/g, '')
        .slice(0, 50) || 'source';
    let name = plain;
    for (let index = 2; names.has(name); index += 1) name = `${plain}-${index}`;
    names.add(name);
    return name;
  };
  const living = resources.filter(({ state, adoption }) => state === 'present' && adoption !== 'ignored');
  const propose = (
    wish: string,
    kind: SourceKind,
    fields: Readonly<Record<string, unknown>>,
    more: Pick<ProposedSource, 'coveredBy' | 'why' | 'missing'>,
  ): ProposedSource => {
    const name = named(wish);
    return { name, kind, ...more, yaml: toYaml({ name, kind, ...fields }) };
  };

  const servers = living.flatMap((resource) => {
    const known = serverOf(resource);
    if (!known || resource.declared?.running === false) return [];
    const at = lastingPlaceOf(resource);
    const coveredBy = sourceOfServer(resource, configured)?.name;
    const fields = at ? { ...at, ...(known.kind === 'redis' ? {} : { user: 'backup' }) } : {};
    const shut = seen.unreachable.find(({ container }) => container === containerOf(resource));
    const missing = shut?.todo ?? (at ? known.missing : 'an address: it listens on nothing that this machine reaches');
    return [
      propose(resource.name, known.kind, fields, {
        coveredBy,
        why: `${resource.name} (${resource.product}) runs here`,
        missing: coveredBy === undefined ? missing : undefined,
      }),
    ];
  });

  const sqlite = seen.sqlite.map(({ path, by }) =>
    propose(
      fileName(path),
      'sqlite',
      { path },
      {
        coveredBy: configured.find((source) => source.kind === 'sqlite' && source.path === path)?.name,
        why: `${by} has it open`,
        missing: undefined,
      },
    ),
  );

  const volumes = seen.volumes
    .filter(({ images }) => !images.some((image) => DATABASE_IMAGE.test(image)))
    .map(({ name, images }) =>
      propose(
        name,
        'volume',
        { volume: name },
        {
          coveredBy: configured.find((source) => source.kind === 'volume' && source.volume === name)?.name,
          why: images.length > 0 ? `containers of ${images.join(', ')} use it` : 'Docker keeps it',
          missing: undefined,
        },
      ),
    );

  const composeFiles = [...new Set(living.flatMap(({ declared }) => (declared ? [declared.file] : [])))];
  const fileSets = (
    [
      ['compose-files', 'files', composeFiles, 'they describe what runs here'],
      ['unit-files', 'files', seen.units, 'they are how services of this machine start'],
      ['mcp-servers', 'files', seen.mcpFiles, 'they name the tool servers of an assistant'],
      ['certificates', 'certificates', seen.certificates, 'certificates and keys lie there'],
    ] as const
  ).flatMap(([wish, kind, paths, why]) => {
    if (paths.length === 0) return [];
    const having = paths.map((path) => configured.find((source) => hasFile(source, path))?.name);
    const coveredBy = having.includes(undefined) ? undefined : [...new Set(having)].join(', ');
    return [propose(wish, kind, { paths: [...paths] }, { coveredBy, why, missing: undefined })];
  });
  return [...servers, ...sqlite, ...volumes, ...fileSets];
}

type Served = Pick<Resource, 'kind' | 'product' | 'name' | 'endpoints' | 'supervisor'>;

const serverOf = ({ kind, product }: Served) =>
  kind === 'service' || kind === 'container' ? SERVERS[product] : undefined;

/** The configured source whose database server this is. */
export function sourceOfServer(resource: Served, configured: readonly BackupSource[]): BackupSource | undefined {
  const known = serverOf(resource);
  const at = placeOf(resource.endpoints);
  const container = containerOf(resource);
  return configured.find((source) => {
    if (source.kind !== known?.kind) return false;
    if ('container' in source && source.container !== undefined) return source.container === container;
    return at === undefined ? source.name === resource.name : isAt(source, at, container !== undefined);
  });
}

interface Place {
  readonly host: string;
  readonly port: number;
}

/** Where it is reached from here: a port of its own, its socket otherwise. */
function placeOf(endpoints: readonly Endpoint[]): Place | undefined {
  const tcp = endpoints.find(({ protocol }) => protocol === 'tcp');
  if (!tcp) return undefined;
  const anywhere = tcp.address === '0.0.0.0' || tcp.address === '::' || tcp.address === '*' || tcp.address === '::1';
  return { host: anywhere ? '127.0.0.1' : tcp.address, port: tcp.port };
}

/** The container that it is, as a source can name it. */
const containerOf = ({ supervisor }: Served): string | undefined =>
  supervisor.kind === 'docker' ? supervisor.name : undefined;

/** The same as a source has it: the address of a container of its own is another one once that is made anew, and its name is not. */
function lastingPlaceOf(resource: Served): Place | { readonly container: string; readonly port?: number } | undefined {
  const at = placeOf(resource.endpoints);
  const container = containerOf(resource);
  if (container === undefined || (at && HERE.has(at.host))) return at;
  return { container, ...(at && { port: at.port }) };
}

const HERE = new Set(['localhost', '127.0.0.1', '::1']);

function isAt(source: BackupSource, { host, port }: Place, contained: boolean): boolean {
  if (source.kind !== 'postgres' && source.kind !== 'mysql' && source.kind !== 'redis') return false;
  return (
    source.port === port &&
    (source.host === host ||
      (HERE.has(source.host) && HERE.has(host)) ||
      // A socket leads to a server of this machine, and to none that is in a network of its own.
      (source.host.startsWith('/') && !contained))
  );
}

function hasFile(source: BackupSource, path: string): boolean {
  if (source.kind !== 'files' && source.kind !== 'certificates') return false;
  if (source.kind === 'files' && createExcluder(source.exclude)(path)) return false;
  return source.paths.some((pattern) => {
    const plain = pattern.replace(/\/+$/, '');
    return isWithin(path, plain) || (plain.includes('*') && matchesGlob(plain, path));
  });
}

function fileName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

/** JSON is YAML, too: what comes from the machine stays a text, whatever is in it. */
function toYaml(fields: Readonly<Record<string, unknown>>): string {
  return `- ${Object.entries(fields)
    .map(([name, value]) => `${name}: ${JSON.stringify(value)}`)
    .join('\n  ')}`;
}
