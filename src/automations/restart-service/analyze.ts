import type { Ports } from '../../core/ports.ts';
import type { ContainerInfo } from '../../core/ports/docker.ts';
import type { KeptRecipe, RecipeProcess } from '../../core/ports/recipes.ts';
import type { Resource } from '../../core/resource.ts';

type Supervisors = Pick<Ports, 'systemd' | 'docker' | 'processes' | 'recipes'>;

/** What runs for a service right now, and what makes it this very start of it and no other. */
export interface Instance {
  readonly running: boolean;
  /** Not there yet, but on its way up. */
  readonly starting: boolean;
  /** The same text as long as nobody restarts it. */
  readonly identity: string | null;
  readonly startedAt: string | null;
  /** Somebody's decision that it does not run, in words. */
  readonly stoppedOnPurpose: string | null;
  /** Whether its supervisor knows it in a state in which it can be started. */
  readonly startable: boolean;
  readonly detail: { [key: string]: string | number | boolean | null | number[] };
}

const NOTHING: Instance = {
  running: false,
  starting: false,
  identity: null,
  startedAt: null,
  stoppedOnPurpose: null,
  startable: false,
  detail: {},
};

export async function instanceOf(resource: Pick<Resource, 'id' | 'supervisor'>, ports: Supervisors): Promise<Instance> {
  const { supervisor } = resource;
  switch (supervisor.kind) {
    case 'systemd':
      return await unitInstance(supervisor.unit, supervisor.scope, ports);
    case 'docker':
      return await containerInstance(supervisor, ports);
    case 'process':
      return processInstance(await ports.recipes.running(resource.id));
    case 'foreign':
    case 'none':
      return NOTHING;
  }
}

async function unitInstance(
  name: string,
  scope: 'system' | 'user',
  { systemd, processes }: Supervisors,
): Promise<Instance> {
  const unit = await systemd.unit(name, scope);
  if (!unit) return NOTHING;
  const main = unit.mainPid > 0 ? await processes.get(unit.mainPid) : undefined;
  const startedAt = unit.activeSince?.toISOString() ?? null;
  return {
    running: unit.activeState === 'active' || unit.activeState === 'reloading',
    starting: unit.activeState === 'activating' && unit.mainPid > 0,
    identity: unit.mainPid > 0 ? `${unit.mainPid}:${main?.startTicks ?? startedAt}` : startedAt,
    startedAt,
    stoppedOnPurpose:
      unit.activeState === 'inactive' && unit.result === 'success'
        ? `unit ${name} is inactive and ended with success`
        : null,
    startable: unit.loadState === 'loaded',
    detail: {
      unit: name,
      loadState: unit.loadState,
      activeState: unit.activeState,
      subState: unit.subState,
      result: unit.result,
      mainPid: unit.mainPid,
      startedAt,
    },
  };
}

/** A container that was created again has another id under the same name. */
export async function containerOf(
  { container, name }: { readonly container: string; readonly name: string },
  { docker }: Pick<Ports, 'docker'>,
): Promise<ContainerInfo | undefined> {
  return (await docker.inspect(container)) ?? (await docker.inspect(name));
}

async function containerInstance(
  supervisor: { readonly container: string; readonly name: string },
  ports: Supervisors,
): Promise<Instance> {
  const info = await containerOf(supervisor, ports);
  if (!info) return NOTHING;
  const startedAt = info.startedAt?.toISOString() ?? null;
  const ended = info.state === 'exited' || info.state === 'created';
  const onPurpose =
    info.state === 'paused'
      ? `container ${info.name} was paused`
      : ended && info.stoppedOnPurpose
        ? `container ${info.name} was stopped through Docker`
        : ended && info.exitCode === 0
          ? `container ${info.name} ended by itself with exit code 0`
          : null;
  return {
    running: info.state === 'running',
    starting: false,
    identity: startedAt === null ? null : `${info.id}:${startedAt}`,
    startedAt,
    stoppedOnPurpose: onPurpose,
    startable: info.state !== 'removing' && info.state !== 'dead',
    detail: {
      container: info.id,
      name: info.name,
      state: info.state,
      health: info.health,
      exitCode: info.exitCode,
      oomKilled: info.oomKilled,
      startedAt,
    },
  };
}

function processInstance(found: readonly RecipeProcess[]): Instance {
  const first = found[0];
  if (!first) return { ...NOTHING, startable: true };
  return {
    running: true,
    starting: false,
    identity: `${first.pid}:${first.startTicks}:${first.bootId}`,
    startedAt: first.startedAt.toISOString(),
    stoppedOnPurpose: null,
    startable: true,
    detail: { pids: found.map(({ pid }) => pid), state: first.state, startedAt: first.startedAt.toISOString() },
  };
}

/** What is kept to start it again, as the facts may have it. */
export interface RecipeFacts {
  readonly origin: KeptRecipe['origin'];
  readonly capturedAt: string;
  readonly startedAt: string | null;
  readonly variables: string[];
  readonly missing: string[];
  readonly fingerprint: string;
  readonly problem: { readonly message: string; readonly hint: string } | null;
}

export async function recipeOf(
  { id, supervisor }: Pick<Resource, 'id' | 'supervisor'>,
  { recipes }: Pick<Ports, 'recipes'>,
): Promise<RecipeFacts | null> {
  const kept = supervisor.kind === 'process' ? await recipes.kept(id) : undefined;
  if (!kept) return null;
  const { origin, capturedAt, startedAt, variables, missing, fingerprint, problem } = kept;
  return {
    origin,
    capturedAt: capturedAt.toISOString(),
    startedAt: startedAt?.toISOString() ?? null,
    variables: [...variables],
    missing: [...missing],
    fingerprint,
    problem: problem ?? null,
  };
}
