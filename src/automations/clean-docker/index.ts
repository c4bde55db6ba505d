import { z } from 'zod';
import { defineAutomation } from '../../core/automation.ts';
import { Duration, ms } from '../../core/duration.ts';
import { KeepPrevious } from '../../core/image-retention.ts';
import { findImages } from '../../core/reclaim.ts';
import { leftOf, reclaim } from '../../core/reclaim-items.ts';
import { measure, spaceStatements } from '../../core/space.ts';

const MOST_CHANGES = 400;

export default defineAutomation({
  name: 'clean-docker',
  version: 1,
  title: 'Clean up Docker',
  summary:
    'Removes Docker images that nothing has used for long; never volumes, containers, or the way back to a version before.',
  category: 'maintenance',
  effect: 'destructive',
  priority: 'P2',
  ifMissed: 'images of former versions fill the disk',
  load: 'io',
  needs: ['storage', 'docker'],
  mcpName: 'auto_cleanup_docker',
  input: z.object({
    remove_unused: z.boolean().default(true).describe('Images with a name that no container is made of.'),
    remove_dangling: z.boolean().default(true).describe('Images to which no name leads any more.'),
    prune_volumes: z
      .boolean()
      .default(false)
      .refine((wanted) => !wanted, {
        error:
          'expected false: volumes hold data, and whether anyone needs it Docker cannot know. Remove one by hand: docker volume rm',
      })
      .describe('Always false: Steward removes no volumes.'),
    max_age: Duration.default('30d').describe('What was pulled, built or tagged within this time stays.'),
    keep_previous: KeepPrevious,
  }),
  output: z.object({
    removed: z.array(z.string()).describe('Images that are gone.'),
    bytes: z.number().int().describe('Space given back, of layers that no other image has.'),
    kept: z.record(z.string(), z.number().int()).describe('How many images stayed, and why.'),
    more: z.number().int().describe('Images for the next run.'),
  }),
  examples: [
    { title: 'What nothing has used for a month', input: {} },
    {
      title: 'As an assistant would ask',
      input: { remove_unused: true, remove_dangling: true, prune_volumes: false, max_age: '30d' },
    },
  ],
  safeguards: { limit: 'long', timeout: '10m', retry: { attempts: 3, backoff: '5s' } },

  async analyze({ input, ports, now }) {
    const rules = { now: now(), maxAgeMs: ms(input.max_age), keepPrevious: input.keep_previous };
    const { items, kept, blind } = await findImages(ports, rules);
    const wanted = items.filter(({ rung }) =>
      rung === 'nameless-images' ? input.remove_dangling : input.remove_unused,
    );
    const spaces = await measure(
      ports.storage,
      wanted.map(({ folder }) => folder),
    );
    return {
      items: wanted.toSorted((a, b) => b.bytes - a.bytes).slice(0, MOST_CHANGES),
      kept,
      blind,
      spaces,
      more: Math.max(0, wanted.length - MOST_CHANGES),
    };
  },

  async validate(_ctx, { blind }) {
    return [
      {
        name: 'Docker answers, and keeps its images on this machine',
        ok: blind.length === 0,
        evidence: { blind: [...blind] },
      },
    ];
  },

  async plan(_ctx, { items }) {
    return items.map(({ id, title, reason, bytes }) => ({ id, title, reason, bytes, undo: 'none' as const }));
  },

  // Each image is judged again before it goes; that others came or went makes no plan wrong.
  basis: () => ({}),

  async execute({ ports, now, signal }, { id }, { facts }) {
    const item = facts.items.find((one) => one.id === id);
    if (!item) return { kept: 'no longer one that may go' };
    return await reclaim(ports, item, { now: now(), signal });
  },

  async verify({ ports, now, signal }, { facts, applied }) {
    const removed = facts.items.filter(({ id }) =>
      applied.some(({ change, receipt }) => change.id === id && 'bytes' in receipt),
    );
    const left = await leftOf(ports, removed, { now: now(), signal });
    return [
      {
        name: 'The images that were removed are gone',
        ok: left.length === 0,
        evidence: { removed: removed.length, left: left.map(({ id }) => id) },
      },
      ...(await spaceStatements(ports.storage, facts.spaces, removed)),
    ];
  },

  record({ facts, applied }) {
    const kept: Record<string, number> = { ...facts.kept };
    const removed: string[] = [];
    let bytes = 0;
    for (const { change, receipt } of applied) {
      if ('bytes' in receipt) {
        removed.push(change.id);
        bytes += receipt.bytes;
      } else kept[receipt.kept] = (kept[receipt.kept] ?? 0) + 1;
    }
    return { removed, bytes, kept, more: facts.more };
  },
});
