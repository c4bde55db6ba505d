import { resolve } from 'node:path';
import { createDatabases } from '../adapters/databases/index.ts';
import { createDocker } from '../adapters/docker/index.ts';
import { createGauges } from '../adapters/host/gauges.ts';
import { createHost } from '../adapters/host/index.ts';
import { createHostMeter } from '../adapters/meter/host.ts';
import { createOwnMeter } from '../adapters/meter/own.ts';
import { createMemory } from '../adapters/memory/index.ts';
import { createOutbound } from '../adapters/outbound/outbound.ts';
import { createPackageHistory } from '../adapters/packages/index.ts';
import { createProber } from '../adapters/probes/index.ts';
import { createProcesses } from '../adapters/processes/index.ts';
import { createPrograms } from '../adapters/programs/index.ts';
import type { MemoryLimits } from '../adapters/programs/memory-watch.ts';
import { createRecognizer } from '../adapters/recognize/index.ts';
import { createSecretResolver } from '../adapters/secrets/secrets.ts';
import { createSockets } from '../adapters/sockets/index.ts';
import { createSystemd } from '../adapters/systemd/index.ts';
import { createUsage } from '../adapters/usage/index.ts';
import type { Environment } from '../config/environment.ts';
import type { Log } from '../core/log.ts';
import type { System } from '../core/system.ts';

/** The adapters that look at this machine and act on it. */
export function createWorld({
  environment,
  log,
  protectedImages = () => [],
  memory,
}: {
  readonly environment: Environment;
  readonly log: Log;
  readonly protectedImages?: () => readonly string[];
  readonly memory?: () => MemoryLimits;
}) {
  const programs = createPrograms({ environment: environment.inherited, memory });
  const processes = createProcesses({ programs, outputFolder: resolve(environment.home, 'launched') });
  const docker = createDocker({ host: environment.dockerHost, protect: protectedImages });
  const secrets = createSecretResolver({
    variable: environment.variable,
    credentialsDirectory: environment.credentialsDirectory,
    log,
  });
  const systemd = createSystemd({ programs });
  return {
    programs,
    processes,
    docker,
    databases: createDatabases(),
    memory: createMemory(),
    systemd,
    secrets,
    sockets: createSockets(),
    host: createHost(),
    hostMeter: createHostMeter(),
    ownMeter: createOwnMeter(),
    usage: createUsage({ now: () => new Date() }),
    recognizer: createRecognizer({ programs }),
    prober: createProber({ secrets, processes, docker, systemd, programs, gauges: createGauges() }),
    outbound: createOutbound(),
    packages: createPackageHistory(),
  };
}

export type World = ReturnType<typeof createWorld>;

/** What of the adapters has a life: told by Docker who stopped what, connections kept for probes, and the watch over the event loop. */
export function senses({ docker, prober, ownMeter }: World): System {
  let watching: { stop(): Promise<void> } | undefined;
  return {
    name: 'senses',
    operations: [],
    jobs: [],
    async start() {
      watching = docker.watch();
    },
    async stop() {
      ownMeter.stop();
      await watching?.stop();
      await prober.close();
    },
  };
}
