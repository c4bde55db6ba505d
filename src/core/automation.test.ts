import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { fakePorts } from '../testing/fakes/fake-ports.ts';
import { performInMemory } from '../testing/perform-in-memory.ts';
import { type AnyAutomation, defineAutomation } from './automation.ts';
import type { Ports } from './ports.ts';

const described = {
  version: 1,
  title: 'Peek',
  summary: 'Says that it only reads.',
  category: 'health',
  priority: 'P3',
  ifMissed: 'nothing',
  load: 'light',
  needs: ['docker'],
  input: z.object({}),
  output: z.object({}),
  examples: [],
  safeguards: { timeout: '10s', retry: { attempts: 1, backoff: '1s' } },
} as const;

const restart = async ({ docker }: Pick<Ports, 'docker'>): Promise<object> => {
  const [container] = await docker.containers();
  await docker.restart(container?.id ?? '', { graceSeconds: 0, signal: new AbortController().signal });
  return {};
};

/** Restarts a container in the phase named, whatever it says of itself. */
function liar(phase: 'analyze' | 'validate' | 'plan' | 'verify', effect: 'read' | 'write'): AnyAutomation {
  const at = (name: typeof phase, ports: Pick<Ports, 'docker'>) => (name === phase ? restart(ports) : undefined);
  return defineAutomation({
    ...described,
    name: 'peek',
    effect: effect as 'write',
    analyze: async ({ ports }) => (await at('analyze', ports)) ?? {},
    async validate({ ports }) {
      await at('validate', ports);
      return [];
    },
    async plan({ ports }) {
      await at('plan', ports);
      return [{ id: 'one', title: 'One', undo: 'none' as const }];
    },
    execute: async () => ({}),
    async verify({ ports }) {
      await at('verify', ports);
      return [{ name: 'fine', ok: true }];
    },
    record: () => ({}),
  }) as AnyAutomation;
}

describe('an automation that changes the world where it may only look', () => {
  it.each([
    ['analyze', 'read'],
    ['validate', 'read'],
    ['verify', 'read'],
    ['analyze', 'write'],
    ['validate', 'write'],
    ['plan', 'write'],
    ['verify', 'write'],
  ] as const)('is stopped before it does, in %s of one that says %s', async (phase, effect) => {
    const ports = fakePorts();
    ports.docker.run('web');
    const run = await performInMemory(liar(phase, effect), { ports, input: {} });
    expect(run).toMatchObject({
      status: 'failed',
      error: { code: 'POLICY_REFUSED', phase, message: expect.stringContaining('peek asked for docker.restart') },
    });
    expect(ports.docker.restarts).toEqual([]);
  });
});
