import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { defineAutomation } from '../../core/automation.ts';
import { type Check, Problem, type ProbeResult } from '../../core/check.ts';
import { ms } from '../../core/duration.ts';
import { StewardError } from '../../core/errors.ts';
import type { Ports } from '../../core/ports.ts';
import { naming } from '../../core/naming.ts';

const LOOK_EVERY_MS = 2_000;

export default defineAutomation({
  name: 'await-recovery',
  version: 1,
  title: 'Wait for a trouble to pass',
  summary: 'Waits, and asks a service again and again, until its checks do not find a trouble any more.',
  category: 'healing',
  effect: 'read',
  priority: 'P2',
  ifMissed: 'a trouble that would have passed by itself is treated with more than it needs',
  load: 'light',
  needs: ['inventory', 'checks', 'prober'],
  input: z.object({
    service: naming('service', z.string().min(1).describe('Name or id of the service.')),
    problem: Problem.describe('The trouble that is to pass: database.locked, pool.exhausted.'),
    seconds: z.number().int().min(0).max(600).default(60).describe('So long it is waited for.'),
  }),
  output: z.object({ service: z.string(), problem: Problem, passed: z.boolean() }),
  examples: [
    { title: 'A lock that is held a little longer', input: { service: 'postgresql', problem: 'database.locked' } },
  ],
  safeguards: { limit: 'long', timeout: '15m', retry: { attempts: 1, backoff: '1s' } },

  target: ({ service }, inventory) => inventory.resolve(service),

  async analyze({ input, ports }) {
    const resource = await ports.inventory.resolve(input.service);
    if (!resource) {
      throw new StewardError('NOT_FOUND', `Steward knows no service '${input.service}'.`, {
        hint: 'See `steward services` for the names.',
      });
    }
    return { resource: { id: resource.id, name: resource.name }, problem: input.problem };
  },

  async verify({ input, ports, signal }, { facts }) {
    const resource = await ports.inventory.get(facts.resource.id);
    const checks = resource ? await ports.checks.of(resource) : [];
    let seen: ProbeResult | undefined;
    for (let waited = 0; ; waited += LOOK_EVERY_MS) {
      seen = await trouble(checks, input.problem, ports.prober, signal);
      if (!seen || waited >= input.seconds * 1_000) break;
      await sleep(LOOK_EVERY_MS, undefined, { signal });
    }
    return [
      {
        name: `${facts.resource.name} does not show ${input.problem} any more`,
        ok: seen === undefined,
        evidence: { message: seen?.message ?? null, waitedAtMostSeconds: input.seconds },
      },
    ];
  },

  record({ facts, checks }) {
    return { service: facts.resource.name, problem: facts.problem, passed: checks.every(({ ok }) => ok) };
  },
});

async function trouble(
  checks: readonly Check[],
  problem: Problem,
  prober: Ports['prober'],
  signal: AbortSignal,
): Promise<ProbeResult | undefined> {
  const results = await Promise.all(
    checks.map(({ target, timeout, slow }) =>
      prober.probe(target, { timeoutMs: ms(timeout), slowMs: ms(slow), signal }),
    ),
  );
  return results.find((result) => result.problem === problem);
}
