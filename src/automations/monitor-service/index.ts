import { z } from 'zod';
import { defineAutomation } from '../../core/automation.ts';
import { StewardError } from '../../core/errors.ts';
import type { Ports } from '../../core/ports.ts';
import type { Resource } from '../../core/resource.ts';
import { diagnose, inTurns, lookAt, type Seen } from './analyze.ts';
import { naming } from '../../core/naming.ts';

const State = z.enum(['up', 'degraded', 'down', 'stopped', 'unknown']);

export default defineAutomation({
  name: 'monitor-service',
  version: 1,
  title: 'Look at a service',
  summary:
    'Looks at a service now, or at all of them, and says what is wrong and why; it restarts nothing, healing does.',
  category: 'health',
  effect: 'read',
  priority: 'P0',
  ifMissed: 'a fault is seen only where a probe looks',
  load: 'light',
  needs: ['inventory', 'prober', 'checks', 'systemd', 'docker', 'processes', 'host'],
  mcpName: 'auto_monitor_service',

  input: z.object({
    service: naming(
      'service',
      z.string().min(1).describe("Name or id of the service, or 'all' for every service of the node."),
    ),
    auto_restart: z
      .boolean()
      .default(false)
      .describe('Whether you want it restarted when it is down. The answer says whether healing will.'),
    auto_diagnose: z.boolean().default(true).describe('Find out why something does not answer.'),
    auto_fix: z
      .boolean()
      .default(false)
      .describe('Whether you want what is wrong repaired. The answer says what may be done.'),
    escalate_after: z
      .number()
      .int()
      .min(1)
      .max(10)
      .default(3)
      .describe(
        'Attempts after which you expect a person to be called. healing.attempts of the configuration decides.',
      ),
  }),
  output: z.object({
    healthy: z.boolean(),
    services: z.array(
      z.object({
        id: z.string(),
        name: z.string(),
        product: z.string(),
        state: State,
        checks: z.array(
          z.object({
            target: z.string(),
            state: State,
            message: z.string(),
            latencyMs: z.number(),
            depth: z.enum(['presence', 'connect', 'handshake', 'query']),
          }),
        ),
        diagnosis: z.object({ findings: z.array(z.string()), logs: z.array(z.string()) }).optional(),
        restart: z.string().describe('What would bring it back, and whether Steward may.'),
      }),
    ),
    note: z.string(),
  }),
  examples: [
    { title: 'One service', input: { service: 'nginx' } },
    { title: 'Everything on this node', input: { service: 'all' } },
  ],
  safeguards: { limit: 'verification', timeout: '5m', retry: { attempts: 2, backoff: '1s' } },

  target: async ({ service }, inventory) => (service === 'all' ? undefined : await inventory.resolve(service)),

  async analyze({ input, ports, signal, node, progress }) {
    const resources = await meant(input.service, ports, node);
    let done = 0;
    const services = await inTurns(resources, async (resource) => {
      const { state, checks } = await lookAt(resource, ports, signal);
      const wrong = state === 'down' || state === 'degraded';
      const diagnosis = wrong && input.auto_diagnose ? await diagnose(resource, ports, signal) : undefined;
      progress({ done: ++done, total: resources.length, message: resource.name });
      return {
        id: resource.id,
        name: resource.name,
        product: resource.product,
        state,
        checks,
        restart: restartOf(resource),
        ...(diagnosis && { diagnosis }),
      };
    });
    return { services, wanted: { restart: input.auto_restart || input.auto_fix } };
  },

  async verify({ ports, signal }, { facts }) {
    return await inTurns(facts.services, async ({ id, name, state }) => {
      const seen: Seen[] = [];
      // One look that differs may have met a change; two that differ have met a service that flaps.
      while (seen.length < 2 && !seen.some((again) => kindOf(again) === kindOf(state))) {
        const resource = await ports.inventory.get(id);
        seen.push(resource ? (await lookAt(resource, ports, signal)).state : 'unknown');
      }
      return {
        name: `${name} is ${state}, at another look too`,
        ok: seen.some((again) => kindOf(again) === kindOf(state)),
        evidence: { first: state, later: seen },
      };
    });
  },

  record({ facts: { services, wanted } }) {
    const ill = services.filter(({ state }) => state === 'down' || state === 'degraded');
    const down = ill.filter(({ state }) => state === 'down');
    return {
      healthy: ill.length === 0,
      services,
      note: !wanted.restart
        ? 'Nothing was changed: this only looks.'
        : down.length === 0
          ? 'Nothing is down, so nothing is to be restarted.'
          : 'Nothing was changed: this only looks. Healing works on what is down, within its budget and the policy; `restart` of each service says whether it may.',
    };
  },
});

async function meant(
  service: string,
  { inventory, checks }: Pick<Ports, 'inventory' | 'checks'>,
  node: { readonly id: string; readonly name: string },
): Promise<Resource[]> {
  if (service === 'all') {
    const known = await inventory.find();
    const ours = known.filter(
      (resource) => (resource.node === node.id || resource.node === node.name) && resource.adoption !== 'ignored',
    );
    const asked = await Promise.all(ours.map((resource) => checks.of(resource)));
    return ours.filter((_resource, index) => (asked[index]?.length ?? 0) > 0);
  }
  const resource = await inventory.resolve(service);
  if (resource) return [resource];
  throw new StewardError('NOT_FOUND', `Steward knows no service '${service}'.`, {
    hint: 'See `steward services` for the names.',
  });
}

/** Answering slowly and answering are one kind of thing; not answering is another. */
function kindOf(state: Seen): Seen {
  return state === 'degraded' ? 'up' : state;
}

function restartOf({ name, supervisor, adoption, labels }: Resource): string {
  if (adoption !== 'adopted') return `Nothing is done to ${name} until a person adopts it.`;
  const wish = labels['steward.restart'];
  if (wish === 'never') return `The configuration leaves ${name} to people.`;
  switch (supervisor.kind) {
    case 'systemd':
      return `Healing may restart ${supervisor.unit}.`;
    case 'docker':
      return `Healing may restart the container ${supervisor.name}.`;
    case 'process':
      return wish === 'process'
        ? `Healing may start ${supervisor.recipe.executable} again.`
        : `Nothing supervises it; healing may start it again once the configuration says restart: process.`;
    case 'foreign':
      return `${supervisor.name} keeps it running; Steward does not drive ${supervisor.name}.`;
    case 'none':
      return supervisor.reason ?? 'It is not known how it was started, so a person has to start it.';
  }
}
