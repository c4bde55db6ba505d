import { z } from 'zod';
import { BreakerRecord, type Breakers } from '../core/breaker.ts';
import { type AnyOperation, defineCommand, defineQuery, NoInput } from '../core/operation.ts';

export function breakerOperations({ breakers }: { readonly breakers: Breakers }): AnyOperation[] {
  const list = defineQuery({
    name: 'breakers',
    title: 'Circuit breakers',
    summary:
      'Lists the circuit breakers that saw failures lately: what they stand before, their state, and when it may be tried again.',
    permission: 'read',
    input: NoInput,
    output: z.object({ items: z.array(BreakerRecord) }),
    cli: ['breakers'],
    columns: ['name', 'state', 'failures', 'triesAt', 'lastError'],
    handle: async () => ({ items: await breakers.list() }),
  });

  const reset = defineCommand({
    name: 'reset-breaker',
    title: 'Reset a circuit breaker',
    summary: 'Closes a circuit breaker by hand, so that what it stands before is tried again at once.',
    permission: 'operate',
    noAgents: true,
    input: z.object({ name: z.string().min(1).max(500).describe('The breaker, as steward breakers names it.') }),
    output: BreakerRecord,
    cli: ['breaker', 'reset'],
    cliArguments: ['name'],
    async state({ name }) {
      const breaker = (await breakers.list()).find((one) => one.name === name);
      return breaker && { state: breaker.state, failures: breaker.failures };
    },
    handle: async ({ name }) => await breakers.reset(name),
  });

  return [list, reset];
}
