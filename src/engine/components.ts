import type { Actor } from '../core/actor.ts';
import type { Catalog } from '../core/catalog.ts';
import { StewardError } from '../core/errors.ts';
import { sameName, workflowNamed } from '../core/workflow.ts';
import type { Executions } from './executions.ts';
import type { Jobs } from './jobs.ts';
import type { Pause, Pauses } from './pauses.ts';

/** What starts by itself, under the name that it has: a workflow or a job of Steward. */
export interface Component {
  readonly name: string;
  readonly kind: 'workflow' | 'job';
  readonly title: string;
  /** Stopping it takes a reason. */
  readonly critical: boolean;
  readonly ifMissed: string;
}

/** What was asked for, what it changed, and how the component stands now. */
export interface ComponentState {
  readonly component: string;
  readonly kind: Component['kind'];
  readonly status: 'started' | 'paused';
  readonly changed: boolean;
  readonly message: string;
  readonly ifMissed: string;
  readonly pause?: Pause | undefined;
  /** Executions of it that were told to end. */
  readonly ending: readonly string[];
}

export interface Components {
  /** By name, by an alias or with hyphens for underscores; NOT_FOUND names what there is. */
  find(name: string): Component;
  pause(
    name: string,
    options: { actor: Actor; reason?: string | undefined; until?: Date | undefined; andEnd: boolean },
  ): Promise<ComponentState>;
  resume(name: string, options: { actor: Actor }): Promise<ComponentState>;
}

interface ComponentsDeps {
  readonly catalog: () => Catalog;
  readonly jobs: Pick<Jobs, 'states'>;
  readonly pauses: Pauses;
  readonly executions: Pick<Executions, 'running'>;
  /** Tells an execution to end. */
  readonly cancel: (executionId: string) => Promise<void>;
  readonly now: () => Date;
}

export function createComponents({ catalog, jobs, pauses, executions, cancel, now }: ComponentsDeps): Components {
  function find(name: string): Component {
    const workflows = [...catalog().workflows.values()];
    const workflow = workflowNamed(workflows, name);
    if (workflow) {
      const { priority, title, ifMissed } = workflow;
      return { name: workflow.name, kind: 'workflow', title, critical: priority === 'P0', ifMissed };
    }
    const job = jobs.states().find((state) => sameName(state.job.name, name))?.job;
    if (job)
      return {
        name: job.name,
        kind: 'job',
        title: job.summary,
        critical: true,
        ifMissed: `Steward no longer does this: ${job.summary}`,
      };
    const known = [...workflows.map((one) => one.name), ...jobs.states().map((state) => state.job.name)];
    throw new StewardError('NOT_FOUND', `Nothing that starts by itself is called '${name}'.`, {
      hint: `There are: ${known.join(', ')}.`,
    });
  }

  const stateOf = (
    { name, kind, ifMissed }: Component,
    state: Pick<ComponentState, 'status' | 'changed' | 'message'> & Partial<ComponentState>,
  ): ComponentState => ({ component: name, kind, ifMissed, ending: [], ...state });

  async function endRunning(component: Component): Promise<string[]> {
    if (component.kind === 'job') return [];
    const ending = (await executions.running(component.name)).map(({ id }) => id);
    for (const id of ending) await cancel(id);
    return ending;
  }

  return {
    find,
    async pause(name, { actor, reason, until, andEnd }) {
      const component = find(name);
      if (reason === undefined && component.critical)
        throw new StewardError(
          'INPUT_INVALID',
          `Stopping ${component.name} takes a reason. Meanwhile: ${component.ifMissed}.`,
          { hint: 'Say why; it stands in the record and in the overview.' },
        );
      if (until && until <= now())
        throw new StewardError('INPUT_INVALID', `A pause until ${until.toISOString()} is over before it begins.`, {
          hint: 'Say a time that is still to come, or leave it out.',
        });
      const before = await pauses.of(component.name);
      const same = before && before.until?.getTime() === until?.getTime() && (!reason || reason === before.reason);
      if (!same) {
        const pause = { component: component.name, by: actor.name, reason: reason ?? 'no reason given', until };
        await pauses.begin({ ...pause, since: before?.since ?? now() }, actor);
      }
      const ending = andEnd ? await endRunning(component) : [];
      const pause = await pauses.of(component.name);
      const ends = ending.length > 0 ? ` ${ending.length} of its runs end now.` : '';
      return stateOf(component, {
        status: 'paused',
        changed: !same || ending.length > 0,
        message: same
          ? `${component.name} was paused already, by ${before.by}: ${before.reason}.${ends}`
          : `${component.name} does not start by itself ${until ? `until ${until.toISOString()}` : 'until it is resumed'}. Meanwhile: ${component.ifMissed}.${ends}`,
        pause,
        ending,
      });
    },
    async resume(name, { actor }) {
      const component = find(name);
      const changed = await pauses.end(component.name, actor);
      return stateOf(component, {
        status: 'started',
        changed,
        message: changed
          ? `${component.name} starts by itself again, from its next time on.`
          : `${component.name} was not paused.`,
      });
    },
  };
}
