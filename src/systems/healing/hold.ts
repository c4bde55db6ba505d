import type { AnyAutomation } from '../../core/automation.ts';
import type { Inventory } from '../../core/inventory.ts';
import type { DockerPort } from '../../core/ports/docker.ts';
import type { SystemdPort } from '../../core/ports/systemd.ts';
import type { Resource } from '../../core/resource.ts';
import type { Run, RunStatus } from '../../core/run.ts';
import type { RunService } from '../../core/run-service.ts';

export const AT_WORK: readonly RunStatus[] = ['queued', 'planning', 'running', 'rolling-back'];

/** What must not be disturbed halfway: a backup of a database that is restarted meanwhile is none. */
const UNDISTURBED: ReadonlySet<AnyAutomation['category']> = new Set([
  'backup',
  'database',
  'deploy',
  'updates',
  'maintenance',
]);

/** By this label something outside of Steward keeps healing away; its value says why. */
export const HOLD_LABEL = 'steward.hold';

export interface HoldDeps {
  readonly maintenance: {
    activeFor(resource: Resource, at: Date): Promise<{ readonly id: string; readonly reason: string } | undefined>;
  };
  readonly runs: Pick<RunService, 'list'>;
  readonly inventory: Pick<Inventory, 'dependenciesOf' | 'dependentsOf'>;
  readonly automation: (name: string) => Pick<AnyAutomation, 'category'> | undefined;
  /** The source of backups that this is the server of. */
  readonly sourceOf?: ((resource: Resource) => string | undefined) | undefined;
  readonly ports: { readonly docker: Pick<DockerPort, 'inspect'>; readonly systemd: Pick<SystemdPort, 'unit'> };
  readonly now: () => Date;
}

/** What starts is believed for so long; after that it is like anything else that does not answer. */
const START_PATIENCE_MS = 600_000;

/** Why nothing may be done to the resource at this moment, in words; it is done afterwards. `since`: when it went wrong. */
export async function heldBy(resource: Resource, since: Date, deps: HoldDeps): Promise<string | undefined> {
  const { maintenance, now } = deps;
  const label = resource.labels[HOLD_LABEL];
  if (label !== undefined && label !== 'false')
    return `The label ${HOLD_LABEL} keeps healing away from ${resource.name}: ${label}.`;
  const window = await maintenance.activeFor(resource, now());
  if (window)
    return `${resource.name} is in a maintenance window (${window.reason}, ${window.id}); healing waits for its end.`;
  const copying = await copiesOf(resource, deps);
  if (copying !== undefined) return copying;
  const atWork = await atWorkOn(resource, deps);
  if (atWork !== undefined || now().getTime() - since.getTime() > START_PATIENCE_MS) return atWork;
  return await startingUp(resource, deps.ports);
}

/** Runs about sources have no target: they work on several. What is copied or restored this very moment is left alone. */
async function copiesOf(
  resource: Resource,
  { runs, sourceOf, automation }: Pick<HoldDeps, 'runs' | 'sourceOf' | 'automation'>,
): Promise<string | undefined> {
  const source = sourceOf?.(resource);
  if (source === undefined) return undefined;
  const active = await runs.list({ status: ['running', 'rolling-back'], limit: 500 });
  for (const run of active.items) {
    const category = automation(run.automation)?.category;
    if (run.target !== undefined || run.dryRun || (category !== 'backup' && category !== 'database')) continue;
    const isIt = ({ id, status }: Run['changes'][number]): boolean =>
      status === 'running' && (id.startsWith(`${source}@`) || id.split(':')[1] === source);
    if (isAbout(run.input, source) || isAbout(targetIn(run.facts), source) || run.changes.some(isIt))
      return `${run.automation} (${run.id}) works on ${resource.name}, the source ${source}; healing waits for its end.`;
  }
  return undefined;
}

/** What a migration goes to is in its facts, where its input names only its files. */
const targetIn = (facts: Run['facts']): unknown =>
  typeof facts === 'object' && facts !== null && 'target' in facts ? facts['target'] : undefined;

function isAbout(said: unknown, source: string): boolean {
  return typeof said === 'object' && said !== null && 'source' in said && said.source === source;
}

async function atWorkOn(
  resource: Resource,
  { runs, inventory, automation }: Pick<HoldDeps, 'runs' | 'inventory' | 'automation'>,
): Promise<string | undefined> {
  const active = (await runs.list({ status: AT_WORK, limit: 500 })).items.filter(
    ({ target, dryRun }) => target !== undefined && !dryRun,
  );
  const own = active.find(({ target }) => target?.id === resource.id);
  if (own) return `${own.automation} (${own.id}) works on ${resource.name}; healing waits for its end.`;
  const undisturbed = active.filter((run) => UNDISTURBED.has(automation(run.automation)?.category ?? 'healing'));
  if (undisturbed.length === 0) return undefined;
  const [needed, needing] = await Promise.all([
    inventory.dependenciesOf(resource.id),
    inventory.dependentsOf(resource.id),
  ]);
  const related = new Map(
    [...needed, ...needing].filter(({ kind }) => kind !== 'node').map(({ id, name }) => [id, name]),
  );
  for (const run of undisturbed) {
    const name = related.get(run.target?.id ?? '');
    if (name !== undefined)
      return `${run.automation} (${run.id}) works on ${name}, which ${resource.name} belongs together with; healing waits for its end.`;
  }
  return undefined;
}

/** What is on its way up by itself is given the time that its owner allows it. */
async function startingUp(resource: Resource, { docker, systemd }: HoldDeps['ports']): Promise<string | undefined> {
  const { supervisor } = resource;
  if (supervisor.kind === 'docker') {
    const info = await docker.inspect(supervisor.container).catch(() => undefined);
    if (info?.state === 'running' && info.health === 'starting')
      return `Container ${info.name} is in the start period of its HEALTHCHECK; healing waits until it is over.`;
  }
  if (supervisor.kind === 'systemd') {
    const unit = await systemd.unit(supervisor.unit, supervisor.scope).catch(() => undefined);
    // One that systemd starts again and again has had its chance.
    if (unit?.activeState === 'activating' && unit.subState !== 'auto-restart')
      return `Unit ${supervisor.unit} is being started; healing waits until systemd is done.`;
  }
  return undefined;
}
