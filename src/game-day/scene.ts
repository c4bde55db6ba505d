import { randomBytes } from 'node:crypto';
import { chmod, mkdir, mkdtemp, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createPrograms } from '../adapters/programs/index.ts';
import { createProcesses } from '../adapters/processes/index.ts';
import { createScratchEngine, isMainProcessOf, type ScratchEngine } from '../adapters/scratch/engine.ts';
import { followScratch } from '../adapters/scratch/events.ts';
import { tarOf } from '../adapters/scratch/tar.ts';
import type { Environment } from '../config/environment.ts';
import { identityOf } from '../config/process-identity.ts';
import { StewardError } from '../core/errors.ts';
import { type AlertSink, openAlertSink } from './alert-sink.ts';
import { gameDayConfig, gameDayRunbooks } from './configuration.ts';
import { freePorts } from './free-ports.ts';
import { imageParts } from './image.ts';
import { removeGameDay } from './leftovers.ts';
import { CACHE_BYTES, containerOf, containerSpec, hasDisk, healthUrl, type ServiceName, type Stack } from './stack.ts';
import { createIsolatedSteward, type IsolatedSteward } from './steward.ts';
import type { ContainerEvent } from './story.ts';

/** Everything of one game day, set up and running. */
export interface Scene {
  readonly stack: Stack;
  readonly home: string;
  readonly services: readonly ServiceName[];
  readonly healing: boolean;
  readonly engine: ScratchEngine;
  readonly steward: IsolatedSteward;
  readonly sink: AlertSink;
  readonly containers: readonly ContainerEvent[];
  resourceId(service: ServiceName): string;
  /** Asked by the game day itself, past Steward. */
  ask(service: ServiceName): Promise<{ readonly well: boolean; readonly says: string }>;
  end(): Promise<void>;
}

export interface SceneOptions {
  readonly environment: Environment;
  readonly services: readonly ServiceName[];
  readonly healing: boolean;
  readonly keep: boolean;
  readonly say: (what: string) => void;
  readonly signal: AbortSignal;
}

const WELL_WITHIN_MS = 120_000;
const AT_ONCE = 4;
/** Containers of root would be root's: they run as somebody who owns nothing. */
const NOBODY = { uid: 61_234, gid: 61_234 };

export async function setScene({ environment, services, healing, keep, say, signal }: SceneOptions): Promise<Scene> {
  const id = randomBytes(3).toString('hex');
  const home = await mkdtemp(join(tmpdir(), `steward-game-day-${id}-`));
  // The store of the isolated Steward may run as another user, who has to pass.
  if (process.getuid?.() === 0) await chmod(home, 0o711);
  await writeFile(join(home, 'owner.json'), JSON.stringify(identityOf(process.pid)), { mode: 0o600 });
  const programs = createPrograms({ environment: environment.inherited });
  const processes = createProcesses({ programs });
  const { dockerHost: host } = environment;
  const building = new AsyncDisposableStack();
  building.defer(async () => {
    if (!keep) await removeGameDay({ id, home }, { host, processes, programs });
  });
  try {
    const [uid, gid] = [process.getuid?.() ?? 0, process.getgid?.() ?? 0];
    const user = uid === 0 ? NOBODY : { uid, gid };
    const names = {
      id,
      image: `steward-game-day-${id}`,
      networks: { front: `steward-game-day-${id}-front`, back: `steward-game-day-${id}-back` },
      ports: Object.fromEntries(await freePorts(services)) as Stack['ports'],
      password: randomBytes(12).toString('hex'),
      user,
    };
    const engine = createScratchEngine({ host, id, home, image: names.image });
    const volume = `steward-game-day-${id}-disk`;
    const stack: Stack = {
      ...names,
      disk: services.some(hasDisk)
        ? { volume, folder: await engine.disk(volume, { bytes: CACHE_BYTES, ...user }) }
        : undefined,
    };
    // The packages of the stack are what npm keeps, for the Steward of the stack alone: this is its home.
    if (stack.disk) await symlink(stack.disk.folder, join(home, '.npm'));
    const ask = (service: ServiceName) => askService(stack, service, services);

    const sink = await openAlertSink();
    building.defer(() => sink.close());
    const [passwordFile, secretFile] = [join(home, 'database-password'), join(home, 'sink-secret')];
    await writeFile(passwordFile, stack.password, { mode: 0o600 });
    await writeFile(secretFile, sink.secret, { mode: 0o600 });
    for (const { name, text } of gameDayRunbooks()) {
      await mkdir(join(home, 'runbooks'), { recursive: true, mode: 0o700 });
      await writeFile(join(home, 'runbooks', `${name}.md`), text, { mode: 0o600 });
    }
    const config = gameDayConfig(stack, services, { passwordFile, sink: { url: sink.url, secretFile }, healing });
    const steward = createIsolatedSteward({
      home,
      environment: { ...environment.inherited, ...(host !== undefined && { DOCKER_HOST: host }) },
      processes,
    });
    building.defer(() => steward.end());
    const containers: ContainerEvent[] = [];
    const events = await followScratch({ host, id }, ({ container, action, at }) => {
      const service = services.find((name) => containerOf(stack, name) === container);
      if (service) containers.push({ service, action, at: at.toISOString() });
    });
    building.defer(async () => events.stop());

    const raise = async (): Promise<void> => {
      say('makes the image of the scratch stack');
      await engine.importImage(tarOf(await imageParts(programs, stack.user)));
      signal.throwIfAborted();
      await engine.network(stack.networks.front);
      await engine.network(stack.networks.back);
      say(`starts ${services.length} services and a Steward of its own`);
      await inTurns(services, AT_ONCE, async (service) => {
        signal.throwIfAborted();
        await engine.run(containerSpec(stack, service));
      });
      await isHere(engine, stack, services[0]);
      await allWell(services, ask, signal, (service) => engine.logs(containerOf(stack, service)));
    };
    // It is told of the stack only when the stack is well: it would heal what has not begun yet.
    await steward.configure({ ...config, services: [] });
    await allOrNothing([raise(), steward.start()]);
    say('waits until Steward knows them all');
    await steward.configure(config);
    const resources = await watched(steward, services, signal);
    const scene = building.move();
    return {
      stack,
      home,
      services,
      healing,
      engine,
      steward,
      sink,
      containers,
      resourceId: (service) => resources.get(service) ?? '',
      ask,
      end: () => scene.disposeAsync(),
    };
  } catch (thrown) {
    await building.disposeAsync();
    throw thrown;
  }
}

async function isHere(engine: ScratchEngine, stack: Stack, service: ServiceName | undefined): Promise<void> {
  if (service === undefined) return;
  const found = await engine.look(containerOf(stack, service));
  if (found && isMainProcessOf(found.id, found.pid)) return;
  throw new StewardError('PRECONDITION_FAILED', 'The Docker engine is not on this machine, or in a virtual one.', {
    hint: 'A game day strikes processes as the kernel would: run it where the engine runs, on Linux.',
  });
}

async function askService(
  stack: Stack,
  service: ServiceName,
  services: readonly ServiceName[],
): Promise<{ well: boolean; says: string }> {
  // The database is well when somebody can book in it.
  const asked = service === 'db' ? 'ledger' : service;
  if (!services.includes(asked)) return { well: false, says: 'nobody can ask the database' };
  try {
    const response = await fetch(healthUrl(stack, asked), { signal: AbortSignal.timeout(3_000) });
    return { well: response.ok, says: `${response.status} ${(await response.text()).slice(0, 200)}` };
  } catch (thrown) {
    const { cause, message } = thrown as Error & { cause?: { code?: string; message?: string } };
    return { well: false, says: cause?.code ?? cause?.message ?? message };
  }
}

async function allWell(
  services: readonly ServiceName[],
  ask: Scene['ask'],
  signal: AbortSignal,
  logs: (service: ServiceName) => Promise<string[]>,
): Promise<void> {
  for (const service of services) {
    for (const until = performance.now() + WELL_WITHIN_MS; ; await sleep(250, undefined, { signal })) {
      const { well, says } = await ask(service);
      if (well) break;
      if (performance.now() > until)
        throw new StewardError('UNAVAILABLE', `${service} of the scratch stack does not come up: ${says}`, {
          hint: `Its log ends with: ${(await logs(service)).slice(-3).join(' ').slice(0, 400)}`,
        });
    }
  }
}

/** Waits for all of it also where some fails: what is made after everything was removed would stay. */
async function allOrNothing(work: readonly Promise<void>[]): Promise<void> {
  for (const result of await Promise.allSettled(work)) if (result.status === 'rejected') throw result.reason;
}

/** Waits until the isolated Steward knows every service and finds it well. */
async function watched(
  steward: IsolatedSteward,
  services: readonly ServiceName[],
  signal: AbortSignal,
): Promise<Map<ServiceName, string>> {
  const known = new Map<ServiceName, string>();
  for (const until = performance.now() + WELL_WITHIN_MS; known.size < services.length;) {
    signal.throwIfAborted();
    await steward.post('automation/discovery/scan', {});
    const found = await steward.get<{ id: string; name: string; state: string }[]>('services');
    for (const { id, name, state } of found) {
      const service = services.find((each) => each === name);
      if (service && state === 'up') known.set(service, id);
    }
    if (known.size === services.length) break;
    if (performance.now() > until) {
      const missing = services.filter((name) => !known.has(name));
      throw new StewardError(
        'UNAVAILABLE',
        `The Steward of the game day does not find these up: ${missing.join(', ')}.`,
      );
    }
    await sleep(250);
  }
  return known;
}

async function inTurns<T>(items: readonly T[], atOnce: number, work: (item: T) => Promise<void>): Promise<void> {
  const waiting = [...items];
  await allOrNothing(
    Array.from({ length: Math.min(atOnce, items.length) }, async () => {
      for (let item = waiting.shift(); item !== undefined; item = waiting.shift()) await work(item);
    }),
  );
}
