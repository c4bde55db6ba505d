import type { Prober } from './check.ts';
import type { Inventory } from './inventory.ts';
import type { BackupsPort } from './ports/backups.ts';
import type { CopiesPort } from './ports/copies.ts';
import type { ChecksPort } from './ports/checks.ts';
import type { DatabasesPort } from './ports/databases.ts';
import type { DockerPort } from './ports/docker.ts';
import type { ExpiryPort } from './ports/expiry.ts';
import type { FitnessPort } from './ports/fitness.ts';
import type { FilesPort } from './ports/files.ts';
import type { HealthPort } from './ports/health.ts';
import type { HistoryPort } from './ports/history.ts';
import type { HostPort } from './ports/host.ts';
import type { HttpPort } from './ports/http.ts';
import type { MemoryPort } from './ports/memory.ts';
import type { MetricsPort } from './ports/metrics.ts';
import type { MigrationsPort } from './ports/migrations.ts';
import type { ProcessesPort } from './ports/processes.ts';
import type { ProgramsPort } from './ports/programs.ts';
import type { QueuePort } from './ports/queue.ts';
import type { RecipesPort } from './ports/recipes.ts';
import type { SandboxesPort } from './ports/sandboxes.ts';
import type { SocketsPort } from './ports/sockets.ts';
import type { StoragePort } from './ports/storage.ts';
import type { SystemdPort } from './ports/systemd.ts';

/** Everything outside that automations can be given. `needs` of a definition picks from these names. */
export interface Ports {
  readonly inventory: Inventory;
  readonly prober: Prober;
  readonly checks: ChecksPort;
  readonly programs: ProgramsPort;
  readonly processes: ProcessesPort;
  readonly recipes: RecipesPort;
  readonly sockets: SocketsPort;
  readonly databases: DatabasesPort;
  readonly docker: DockerPort;
  readonly systemd: SystemdPort;
  readonly files: FilesPort;
  readonly host: HostPort;
  readonly health: HealthPort;
  readonly history: HistoryPort;
  readonly http: HttpPort;
  readonly storage: StoragePort;
  readonly memory: MemoryPort;
  readonly queue: QueuePort;
  readonly backups: BackupsPort;
  readonly copies: CopiesPort;
  readonly sandboxes: SandboxesPort;
  readonly fitness: FitnessPort;
  readonly expiry: ExpiryPort;
  readonly migrations: MigrationsPort;
  readonly metrics: MetricsPort;
}
export type PortName = keyof Ports;

/** Whether a port can be used on this node, and what is missing where it cannot. */
export interface PortStatus {
  readonly ok: boolean;
  readonly reason?: string | undefined;
}
