import { z } from 'zod';
import { defineAutomation } from '../../core/automation.ts';
import { Duration, ms } from '../../core/duration.ts';
import { findCaches } from '../../core/reclaim.ts';
import { leftOf, reclaim } from '../../core/reclaim-items.ts';
import { measure, spaceStatements } from '../../core/space.ts';

export default defineAutomation({
  name: 'clear-caches',
  version: 1,
  title: 'Clear caches',
  summary:
    'Empties the caches of package managers and of Docker builds, which fill themselves again when they are needed.',
  category: 'maintenance',
  effect: 'write',
  priority: 'P1',
  ifMissed: 'the disk fills up with what nobody asks for again',
  load: 'io',
  needs: ['storage', 'docker'],
  input: z.object({
    unusedFor: Duration.default('7d').describe("What Docker's builds used within this time stays."),
    path: z
      .string()
      .startsWith('/')
      .optional()
      .describe('Only caches on the file system of this folder; by default all of them.'),
  }),
  output: z.object({
    caches: z.array(z.object({ id: z.string(), bytes: z.number().int() })).describe('What was emptied.'),
    bytes: z.number().int().describe('Space given back, as the caches were measured before.'),
    blind: z.array(z.string()).describe('What could not be looked at.'),
  }),
  examples: [
    { title: 'As every night', input: {} },
    { title: 'Everything, when the disk is full', input: { unusedFor: '0s' } },
  ],
  safeguards: { limit: 'long', timeout: '15m', retry: { attempts: 3, backoff: '5s' } },

  async analyze({ input, ports, now }) {
    const { items: all, blind } = await findCaches(ports, { now: now(), unusedForMs: ms(input.unusedFor) });
    const device = input.path === undefined ? undefined : (await ports.storage.space(input.path)).device;
    const items = all.filter((item) => device === undefined || item.device === device);
    const spaces = await measure(
      ports.storage,
      items.map(({ folder }) => folder),
    );
    return { items, blind, spaces };
  },

  async plan(_ctx, { items }) {
    return items.map(({ id, title, reason, bytes }) => ({ id, title, reason, bytes, undo: 'none' as const }));
  },

  // A cache that grew meanwhile makes no plan wrong.
  basis: () => ({}),

  async execute({ ports, now, signal }, { id }, { facts }) {
    const item = facts.items.find((one) => one.id === id);
    if (!item) return { bytes: 0 };
    const done = await reclaim(ports, item, { now: now(), signal });
    return { bytes: 'bytes' in done ? done.bytes : 0 };
  },

  async verify({ ports, now, signal }, { facts, applied }) {
    const items = facts.items.filter(({ id }) =>
      applied.some(({ change, receipt }) => change.id === id && receipt.bytes > 0),
    );
    const left = await leftOf(ports, items, { now: now(), signal });
    return [
      {
        name: 'The caches that were emptied are empty',
        ok: left.length === 0,
        evidence: { left: left.map(({ id }) => id) },
      },
      ...(await spaceStatements(ports.storage, facts.spaces, items)),
    ];
  },

  record({ facts, applied }) {
    const caches = applied.flatMap(({ change: { id }, receipt: { bytes } }) => (bytes > 0 ? [{ id, bytes }] : []));
    return { caches, bytes: caches.reduce((sum, { bytes }) => sum + bytes, 0), blind: [...facts.blind] };
  },
});
