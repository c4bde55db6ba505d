import type { ConfigInput } from '../config/schema.ts';
import type { ContainerSpec } from '../adapters/scratch/engine.ts';
import { INSIDE } from './image.ts';
import type { ServiceSettings } from './programs/service.ts';

/** A service of the scratch stack, as somebody who runs such a thing would describe it. */
interface ServiceSpec {
  readonly memoryMb: number;
  readonly settings?: Omit<ServiceSettings, 'name' | 'port' | 'database'>;
  readonly needsDatabase?: true;
  readonly restart?: 'never';
  /** It keeps packages on a small disk of its own. */
  readonly cache?: true;
}

const SPECS = {
  db: { memoryMb: 256 },
  ledger: { memoryMb: 128, needsDatabase: true },
  invoices: { memoryMb: 128, needsDatabase: true },
  reports: { memoryMb: 128, needsDatabase: true },
  web: { memoryMb: 128 },
  api: { memoryMb: 128 },
  worker: { memoryMb: 192, settings: { workers: 2 } },
  cache: { memoryMb: 128 },
  mailer: { memoryMb: 128 },
  search: { memoryMb: 128, settings: { bootMs: 4_000 } },
  archive: { memoryMb: 128, settings: { stopMs: 7_000 } },
  thumbs: { memoryMb: 128 },
  feed: { memoryMb: 128 },
  importer: { memoryMb: 128 },
  legacy: { memoryMb: 128, restart: 'never' },
  images: { memoryMb: 256 },
  builder: { memoryMb: 128, cache: true },
} as const satisfies Record<string, ServiceSpec>;

export type ServiceName = keyof typeof SPECS;
export const SERVICES = Object.keys(SPECS) as ServiceName[];

const HTTP = 8080;
const POSTGRES = 5432;
/** Where a service with a disk of its own has it. */
export const CACHE = '/cache';
export const CACHE_BYTES = 16 * 1024 ** 2;

/** The stack of one game day: its names, ports and secrets. */
export interface Stack {
  readonly id: string;
  readonly image: string;
  /** The database is in the second one only: whoever is cut off from that does not reach it. */
  readonly networks: { readonly front: string; readonly back: string };
  readonly ports: Readonly<Record<ServiceName, number>>;
  readonly password: string;
  /** The disk of the service that keeps packages, and where it is on this machine. */
  readonly disk?: { readonly volume: string; readonly folder: string } | undefined;
  readonly user: { readonly uid: number; readonly gid: number };
}

export function containerOf({ id }: Pick<Stack, 'id'>, service: ServiceName): string {
  return `steward-game-day-${id}-${service}`;
}

export function containerSpec(stack: Stack, service: ServiceName): ContainerSpec {
  const spec: ServiceSpec = SPECS[service];
  const settings: ServiceSettings = {
    name: service,
    port: HTTP,
    ...spec.settings,
    ...(spec.needsDatabase && { database: { host: 'db', password: stack.password } }),
  };
  const isDatabase = service === 'db';
  return {
    name: containerOf(stack, service),
    command: isDatabase
      ? ['/bin/sh', `${INSIDE}/programs/database.sh`, stack.password]
      : [`${INSIDE}/node`, `${INSIDE}/programs/service.ts`, JSON.stringify(settings)],
    user: `${stack.user.uid}:${stack.user.gid}`,
    memoryBytes: spec.memoryMb * 1024 ** 2,
    networks: networksOf(stack, service),
    port: { inside: isDatabase ? POSTGRES : HTTP, outside: stack.ports[service] },
    ...(spec.cache && stack.disk && { volumes: { [CACHE]: stack.disk.volume } }),
  };
}

function networksOf({ networks: { front, back } }: Stack, service: ServiceName): string[] {
  if (service === 'db') return [back];
  return (SPECS[service] as ServiceSpec).needsDatabase ? [front, back] : [front];
}

export function hasDisk(service: ServiceName): boolean {
  return (SPECS[service] as ServiceSpec).cache === true;
}

/** Where a service says how it is; the database says it in its own language. */
export function healthUrl({ ports }: Pick<Stack, 'ports'>, service: Exclude<ServiceName, 'db'>): string {
  return `http://127.0.0.1:${ports[service]}/health`;
}

/** What the isolated Steward is told of the stack. */
export function configuredStack(
  stack: Stack,
  services: readonly ServiceName[],
  passwordFile: string,
): NonNullable<ConfigInput['services']> {
  return services.map((name) => {
    const spec: ServiceSpec = SPECS[name];
    return {
      name,
      match: { container: containerOf(stack, name) },
      ...(spec.restart && { restart: spec.restart }),
      ...(spec.needsDatabase && { dependsOn: ['db'] }),
      checks: [
        name === 'db'
          ? {
              kind: 'postgres',
              port: stack.ports.db,
              user: 'postgres',
              password: { file: passwordFile },
              maxLockWait: '2s',
              // No fault makes it slow, and a busy machine does.
              timeout: '10s',
            }
          : { kind: 'http', url: healthUrl(stack, name) },
        ...(spec.cache && stack.disk ? [{ kind: 'disk' as const, path: stack.disk.folder }] : []),
      ],
    };
  });
}

/** The services that these take, with what they need. The database is asked through one that books in it. */
export function withNeeded(services: Iterable<ServiceName>): ServiceName[] {
  const wanted = new Set(services);
  if ([...wanted].some((name) => name === 'db' || (SPECS[name] as ServiceSpec).needsDatabase))
    wanted.add('db').add('ledger');
  return SERVICES.filter((name) => wanted.has(name));
}
