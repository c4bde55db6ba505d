import type { Ports } from '../../core/ports.ts';
import { type FakeBackups, fakeBackups, type FakeCopies, fakeCopies } from './fake-backups.ts';
import { type FakeChecks, fakeChecks } from './fake-checks.ts';
import { type FakeDatabases, fakeDatabases } from './fake-databases.ts';
import { type FakeDocker, fakeDocker } from './fake-docker.ts';
import { type FakeExpiry, fakeExpiry } from './fake-expiry.ts';
import { type FakeFitness, fakeFitness } from './fake-fitness.ts';
import { type FakeFiles, fakeFiles } from './fake-files.ts';
import { type FakeHealth, fakeHealth } from './fake-health.ts';
import { type FakeHistory, fakeHistory } from './fake-history.ts';
import { type FakeHost, fakeHost } from './fake-host.ts';
import { type FakeHttp, fakeHttp } from './fake-http.ts';
import { type FakeInventory, fakeInventory } from './fake-inventory.ts';
import { type FakeMemory, fakeMemory } from './fake-memory.ts';
import { type FakeMetrics, fakeMetrics } from './fake-metrics.ts';
import { type FakeMigrations, fakeMigrations } from './fake-migrations.ts';
import { type FakeProber, fakeProber } from './fake-prober.ts';
import { type FakeProcesses, fakeProcesses } from './fake-processes.ts';
import { type FakePrograms, fakePrograms } from './fake-programs.ts';
import { type FakeQueue, fakeQueue } from './fake-queue.ts';
import { type FakeRecipes, fakeRecipes } from './fake-recipes.ts';
import { type FakeSandboxes, fakeSandboxes } from './fake-sandboxes.ts';
import { type FakeSockets, fakeSockets } from './fake-sockets.ts';
import { type FakeStorage, fakeStorage } from './fake-storage.ts';
import { type FakeSystemd, fakeSystemd } from './fake-systemd.ts';

export interface FakePorts extends Ports {
  readonly inventory: FakeInventory;
  readonly prober: FakeProber;
  readonly checks: FakeChecks;
  readonly programs: FakePrograms;
  readonly processes: FakeProcesses;
  readonly recipes: FakeRecipes;
  readonly sockets: FakeSockets;
  readonly databases: FakeDatabases;
  readonly docker: FakeDocker;
  readonly systemd: FakeSystemd;
  readonly files: FakeFiles;
  readonly host: FakeHost;
  readonly health: FakeHealth;
  readonly history: FakeHistory;
  readonly http: FakeHttp;
  readonly storage: FakeStorage;
  readonly memory: FakeMemory;
  readonly queue: FakeQueue;
  readonly backups: FakeBackups;
  readonly copies: FakeCopies;
  readonly sandboxes: FakeSandboxes;
  readonly fitness: FakeFitness;
  readonly expiry: FakeExpiry;
  readonly migrations: FakeMigrations;
  readonly metrics: FakeMetrics;
}

/** A whole machine in memory, empty at first. */
export function fakePorts(options: { readonly now?: () => Date; readonly roots?: readonly string[] } = {}): FakePorts {
  const clock = options.now === undefined ? {} : { now: options.now };
  const processes = fakeProcesses(clock);
  const storage = fakeStorage();
  const host = fakeHost();
  return {
    inventory: fakeInventory(),
    prober: fakeProber(),
    checks: fakeChecks(),
    programs: fakePrograms(),
    processes,
    recipes: fakeRecipes({ processes }),
    sockets: fakeSockets(),
    databases: fakeDatabases(),
    docker: fakeDocker({ ...clock, freed: (bytes) => storage.use(-bytes) }),
    systemd: fakeSystemd(clock),
    files: fakeFiles({ roots: options.roots ?? ['/tmp'], ...clock }),
    host,
    health: fakeHealth(),
    history: fakeHistory(),
    http: fakeHttp(),
    storage,
    memory: fakeMemory({ freed: host.free }),
    queue: fakeQueue(),
    backups: fakeBackups({ now: options.now ?? (() => new Date()) }),
    copies: fakeCopies({ now: options.now ?? (() => new Date()) }),
    sandboxes: fakeSandboxes({ now: options.now ?? (() => new Date()) }),
    fitness: fakeFitness({ now: options.now ?? (() => new Date()) }),
    expiry: fakeExpiry({ now: options.now ?? (() => new Date()) }),
    metrics: fakeMetrics(),
    migrations: fakeMigrations({ now: options.now ?? (() => new Date()) }),
  };
}
