import { z } from 'zod';
import { defineAutomation } from '../../core/automation.ts';
import { Duration, ms } from '../../core/duration.ts';

export default defineAutomation({
  name: 'process-queued-jobs',
  version: 1,
  title: 'Process what waits',
  summary:
    'Begins runs and workflows that were asked for and that nobody has in hand, and moves webhooks on that wait.',
  category: 'maintenance',
  effect: 'write',
  priority: 'P1',
  ifMissed: 'jobs pile up',
  load: 'light',
  needs: ['queue'],

  input: z.object({
    olderThan: Duration.default('15s').describe('What was asked for within this time is about to begin anyway.'),
  }),
  output: z.object({
    begun: z.number().int().describe('How many runs, workflows and webhooks that waited were taken in hand.'),
    behind: z.array(z.string()).describe('Readers of events that are behind or gave one up.'),
  }),
  examples: [{ title: 'What has waited for longer than a quarter of a minute', input: {} }],
  safeguards: { timeout: '1m', retry: { attempts: 3, backoff: '1s' } },

  async analyze({ input, ports: { queue }, now }) {
    const waiting = await queue.waiting(new Date(now().getTime() - ms(input.olderThan)));
    return {
      waiting: waiting.slice(0, 100).map((each) => ({ ...each })),
      undelivered: [...(await queue.undelivered())],
    };
  },

  async plan(_ctx, { waiting }) {
    if (waiting.length === 0) return [];
    return [{ id: 'begin', title: 'Begin what waits', undo: 'none' }];
  },

  // Which of them wait changes from moment to moment, and does not matter to the plan.
  basis: ({ waiting }) => ({ some: waiting.length > 0 }),

  async execute({ ports: { queue }, log }, _change, { facts }) {
    for (const { kind, id, what } of facts.waiting) log.info('begins what waited', { kind, id, what });
    await queue.begin();
    return { begun: facts.waiting.length };
  },

  async verify({ ports: { queue }, now }, { facts }) {
    const ids = new Set(facts.waiting.map(({ id }) => id));
    const left = (await queue.waiting(now())).filter(({ id }) => ids.has(id));
    return [{ name: 'what waited is in hand', ok: left.length === 0, evidence: { left: left.map(({ id }) => id) } }];
  },

  record: ({ facts, applied }) => ({
    begun: applied.reduce((sum, { receipt }) => sum + receipt.begun, 0),
    behind: facts.undelivered.map(
      ({ consumer, behind, deadLetters }) => `${consumer}: ${behind} behind, ${deadLetters} given up`,
    ),
  }),
});
