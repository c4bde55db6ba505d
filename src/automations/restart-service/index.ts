import { z } from 'zod';
import { defineAutomation } from '../../core/automation.ts';
import type { Check } from '../../core/check.ts';
import { describeTarget } from '../../core/describe-target.ts';
import { StewardError } from '../../core/errors.ts';
import type { Inventory } from '../../core/inventory.ts';
import type { Resource } from '../../core/resource.ts';
import type { CheckStatement } from '../../core/run.ts';
import { answers, lasting, probeAll, together, waitForAnswers } from './verify.ts';
import { endProcesses } from './execute.ts';
import { containerOf, instanceOf, type RecipeFacts, recipeOf } from './analyze.ts';
import { naming } from '../../core/naming.ts';

/** The label by which an owner lets Steward restart a process that nothing supervises. */
const OPT_IN = 'steward.restart';
const SYMPTOM_WITHIN_MS = 1_500;

export default defineAutomation({
  name: 'restart-service',
  version: 1,
  title: 'Restart a service',
  summary: 'Restarts a service through whatever supervises it and proves that it answers again.',
  category: 'healing',
  effect: 'write',
  priority: 'P0',
  ifMissed: 'a service that died or hangs stays away until somebody notices',
  load: 'light',
  needs: ['inventory', 'prober', 'checks', 'systemd', 'docker', 'processes', 'recipes'],

  input: z.object({
    service: naming('service', z.string().min(1).describe('Name or id of the service.')),
    graceSeconds: z
      .number()
      .int()
      .min(0)
      .max(600)
      .default(10)
      .describe(
        'Seconds that a container or a bare process has to end by itself. A systemd unit uses its own TimeoutStopSec.',
      ),
    settleSeconds: z
      .number()
      .int()
      .min(0)
      .max(600)
      .default(30)
      .describe('Seconds within which it must answer after the restart.'),
  }),
  output: z.object({
    service: z.string(),
    supervisor: z.enum(['systemd', 'docker', 'process', 'foreign', 'none']),
    before: z.string().nullable().describe('What ran before: process or container with its start.'),
    restarted: z.boolean().describe('False where it already ran anew when its turn came.'),
  }),
  examples: [
    { title: 'The web server', input: { service: 'nginx' } },
    { title: 'A database, with a minute to end', input: { service: 'postgresql', graceSeconds: 60 } },
  ],
  safeguards: { limit: 'long', timeout: '12m', retry: { attempts: 3, backoff: '2s' } },

  target: ({ service }, inventory) => inventory.resolve(service),

  async analyze({ input, ports, signal, now }) {
    const resource = await ports.inventory.resolve(input.service);
    if (!resource) {
      throw new StewardError('NOT_FOUND', `Steward knows no service '${input.service}'.`, {
        hint: 'See `steward services` for the names.',
      });
    }
    const checks = lasting(await ports.checks.of(resource), resource);
    // For the record only; what hangs must not hold up its own restart.
    const results = await probeAll(checks, ports.prober, { atMostMs: SYMPTOM_WITHIN_MS, signal });
    return {
      observedAt: now().toISOString(),
      resource: {
        id: resource.id,
        name: resource.name,
        product: resource.product,
        adoption: resource.adoption,
        state: resource.state,
      },
      supervisor: resource.supervisor,
      optedIn: resource.labels[OPT_IN] === 'process',
      leftToPeople: resource.labels[OPT_IN] === 'never',
      recipe: await recipeOf(resource, ports),
      instance: await instanceOf(resource, ports),
      checks,
      symptoms: results.map(({ state, message, latencyMs }, index) => ({
        target: nameOf(checks, index),
        state,
        message,
        latencyMs,
      })),
    };
  },

  async validate({ run }, { resource, supervisor, optedIn, leftToPeople, recipe, instance }) {
    const statements: CheckStatement[] = [
      {
        name: `${resource.name} may be acted on`,
        ok: resource.adoption === 'adopted',
        evidence: { adoption: resource.adoption, hint: 'Adopt it first: it was found where others may own it.' },
      },
      drivable(resource.name, supervisor),
      { name: `${resource.name} can be started by its supervisor`, ok: instance.startable, evidence: instance.detail },
    ];
    if (supervisor.kind === 'process') {
      statements.push(known(resource.name, recipe), {
        name: `The owner lets Steward restart ${resource.name}`,
        ok: optedIn,
        evidence: {
          label: OPT_IN,
          expected: 'process',
          hint: 'Nothing supervises it. Set restart: process for it in steward.yaml, or make it a systemd unit.',
        },
      });
    }
    if (run.trigger === 'healing') {
      statements.push({
        name: `The configuration lets healing restart ${resource.name}`,
        ok: !leftToPeople,
        evidence: { label: OPT_IN },
      });
      statements.push({
        name: `${resource.name} was not stopped on purpose`,
        ok: instance.stoppedOnPurpose === null,
        evidence: { reason: instance.stoppedOnPurpose },
      });
    }
    return statements;
  },

  async plan(_ctx, { resource, supervisor, instance }) {
    switch (supervisor.kind) {
      case 'systemd':
        return [{ id: 'restart', title: `Restart ${supervisor.unit}`, undo: 'none' as const }];
      case 'docker':
        return [{ id: 'restart', title: `Restart container ${supervisor.name}`, undo: 'none' as const }];
      case 'process':
        return [
          ...(instance.running
            ? [{ id: 'end', title: `End what is left of ${resource.name}`, undo: 'none' as const }]
            : []),
          {
            id: 'start',
            // Many names may lead to one program, and it is the name that says what it becomes.
            title: `Start ${supervisor.recipe.argv[0] ?? supervisor.recipe.executable} in ${supervisor.recipe.cwd}`,
            undo: 'none' as const,
          },
        ];
      case 'foreign':
      case 'none':
        return [];
    }
  },

  // Not the instance: one that keeps dying is another one each time, and the plan for it is still right.
  basis: ({ resource, supervisor, optedIn, recipe, instance }) => ({
    id: resource.id,
    supervisor,
    optedIn,
    recipe: recipe?.fingerprint ?? null,
    adoption: resource.adoption,
    stoppedOnPurpose: instance.stoppedOnPurpose !== null,
    leftover: supervisor.kind === 'process' && instance.running,
  }),

  async execute({ input, ports, signal }, change, { facts }) {
    const resource = await stillKnown(ports.inventory, facts.resource.id);
    const { supervisor } = resource;
    const current = await instanceOf(resource, ports);
    // A new start since analyze looked: a try before this one did it, or its supervisor did. Once is enough.
    if ((current.running || current.starting) && current.identity !== facts.instance.identity)
      return { restarted: false };
    switch (supervisor.kind) {
      case 'systemd':
        await ports.systemd.restart(supervisor.unit, supervisor.scope, signal);
        return { restarted: true };
      case 'docker':
        await ports.docker.restart((await containerOf(supervisor, ports))?.id ?? supervisor.container, {
          graceSeconds: input.graceSeconds,
          signal,
        });
        return { restarted: true };
      case 'process': {
        if (change.id === 'end') {
          await endProcesses(await ports.recipes.running(resource.id), ports, {
            graceSeconds: input.graceSeconds,
            signal,
          });
          return { restarted: false };
        }
        await ports.recipes.launch(resource.id);
        return { restarted: true };
      }
      case 'foreign':
      case 'none':
        throw new StewardError('PRECONDITION_FAILED', `${resource.name} has no supervisor that Steward drives.`);
    }
  },

  async verify({ input, ports, signal }, { facts }) {
    const { instance: before } = facts;
    const resource = await stillKnown(ports.inventory, facts.resource.id);
    const checks = together(facts.checks, lasting(await ports.checks.of(resource), resource));
    const results = await waitForAnswers(checks, ports.prober, { withinMs: input.settleSeconds * 1_000, signal });
    // Looked at last, so that one which answered once and died again is not called back.
    const after = await instanceOf(resource, ports);
    const statements: CheckStatement[] = [
      {
        name: `${resource.name} runs anew`,
        ok: after.running && after.identity !== before.identity,
        evidence: { before: before.identity, after: after.identity, startedAt: after.startedAt, detail: after.detail },
      },
    ];
    for (const [index, result] of results.entries()) {
      const { state, message, latencyMs, depth } = result;
      statements.push({
        name: `${nameOf(checks, index)} answers`,
        ok: answers(result),
        evidence: { state, message, latencyMs, depth },
      });
    }
    return statements;
  },

  record({ facts, applied }) {
    return {
      service: facts.resource.name,
      supervisor: facts.supervisor.kind,
      before: facts.instance.identity,
      restarted: applied.some(({ receipt }) => receipt.restarted),
    };
  },
});

async function stillKnown(inventory: Inventory, id: string): Promise<Resource> {
  const resource = await inventory.get(id);
  if (resource) return resource;
  throw new StewardError('NOT_FOUND', `The inventory does not know ${id} any more.`, {
    hint: 'It was removed while the run was on its way. Look at `steward services`.',
  });
}

function nameOf(checks: readonly Check[], index: number): string {
  const check = checks[index];
  return check ? describeTarget(check.target) : '';
}

function drivable(name: string, supervisor: Resource['supervisor']): CheckStatement {
  const ok = supervisor.kind === 'systemd' || supervisor.kind === 'docker' || supervisor.kind === 'process';
  const hint =
    supervisor.kind === 'foreign'
      ? `${supervisor.name} keeps it running, and Steward does not drive ${supervisor.name}: restart it there.`
      : ((supervisor.kind === 'none' ? supervisor.reason : undefined) ??
        'Nothing supervises it. Set restart: process for it in steward.yaml, or run it under systemd or in a container.');
  return {
    name: `${name} is kept running by something that Steward drives`,
    ok,
    evidence: { supervisor: supervisor.kind, ...(ok ? {} : { hint }) },
  };
}

function known(name: string, recipe: RecipeFacts | null): CheckStatement {
  const ok = recipe !== null && recipe.problem === null;
  return {
    name: `It is known how ${name} was started`,
    ok,
    evidence: recipe
      ? {
          [recipe.origin]: recipe.capturedAt,
          start: recipe.startedAt,
          variables: recipe.variables,
          missing: recipe.missing,
          ...(recipe.problem ? { problem: recipe.problem.message, hint: recipe.problem.hint } : {}),
        }
      : { hint: `Start it by hand: with restart: process for ${name} in steward.yaml the next discovery keeps how.` },
  };
}
