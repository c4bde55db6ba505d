import { z } from 'zod';
import { defineAutomation } from '../../core/automation.ts';
import { StewardError } from '../../core/errors.ts';
import { findRelief, heldBy, redisOf } from './analyze.ts';
import { naming } from '../../core/naming.ts';

export default defineAutomation({
  name: 'relieve-memory',
  version: 1,
  title: 'Relieve memory',
  summary:
    'Asks what can give memory back without ending anything: the allocator of Redis, and file cache of units and containers.',
  category: 'healing',
  effect: 'write',
  priority: 'P1',
  ifMissed: 'memory runs out while some of it holds nothing that anybody needs',
  load: 'light',
  needs: ['inventory', 'checks', 'memory', 'host'],
  input: z.object({
    service: naming('service', z.string().min(1).describe('Name or id of the machine, or of one service on it.')),
  }),
  output: z.object({
    asked: z
      .array(z.object({ what: z.string(), bytes: z.number().int().describe('Less of it is held than before.') }))
      .describe('What was asked, and what each gave.'),
    bytes: z.number().int().describe('All of that together.'),
    availableBefore: z.number().int(),
    availableAfter: z
      .number()
      .int()
      .describe('Memory that can be had on the machine; others took and gave meanwhile too.'),
    blind: z.array(z.string()).describe('What could not be asked, and why.'),
  }),
  examples: [{ title: 'One service that holds a lot', input: { service: 'nginx' } }],
  safeguards: { timeout: '2m', retry: { attempts: 2, backoff: '2s' } },

  target: ({ service }, inventory) => inventory.resolve(service),

  async analyze({ input, ports, secret, signal }) {
    const resource = await ports.inventory.resolve(input.service);
    if (!resource) {
      throw new StewardError('NOT_FOUND', `Steward knows no service '${input.service}'.`, {
        hint: 'See `steward services` for the names.',
      });
    }
    const { items, blind } = await findRelief(resource, ports, secret, signal);
    const { memoryAvailableBytes } = await ports.host.sample();
    return {
      resource: { id: resource.id, name: resource.name, adoption: resource.adoption },
      items,
      blind,
      available: memoryAvailableBytes,
      ...(items.length === 0 && {
        warning: ['Nothing here can give memory back without being ended.', ...blind].join(' '),
      }),
    };
  },

  async validate(_ctx, { resource }) {
    return [
      {
        name: `${resource.name} may be acted on`,
        ok: resource.adoption === 'adopted',
        evidence: { adoption: resource.adoption, hint: 'Adopt it first: it was found where others may own it.' },
      },
    ];
  },

  async plan(_ctx, { items }) {
    return items.map(({ id, title, reason, bytes }) => ({ id, title, reason, bytes, undo: 'none' as const }));
  },

  // How much each could give changes with every request that it serves.
  basis: ({ resource }) => ({ resource: resource.id }),

  async execute({ ports, secret, signal }, change, { facts }) {
    const item = facts.items.find(({ id }) => id === change.id);
    if (!item) return { bytes: 0 };
    if (item.path !== null) await ports.memory.reclaim(item.path, item.bytes);
    else {
      const resource = await ports.inventory.get(item.resourceId);
      const login = resource && (await redisOf(resource, ports, secret));
      if (login) await ports.memory.purgeRedis(login, signal);
    }
    // Against what it held when it was planned: whoever comes again after a crash finds it done.
    const after = (await heldBy(item, ports, secret, signal)) ?? item.heldBytes;
    return { bytes: Math.max(0, item.heldBytes - after) };
  },

  async verify({ ports }, { facts, applied }) {
    const { memoryAvailableBytes } = await ports.host.sample();
    const bytes = applied.reduce((sum, { receipt }) => sum + receipt.bytes, 0);
    return [
      {
        name: 'What was asked holds less memory than before',
        ok: applied.length === 0 || bytes > 0,
        evidence: { bytes, availableBefore: facts.available, availableAfter: memoryAvailableBytes },
      },
    ];
  },

  record({ facts, applied, checks }) {
    const evidence = z.object({ availableAfter: z.number() }).safeParse(checks.at(-1)?.evidence);
    return {
      asked: applied.map(({ change, receipt }) => ({ what: change.title, bytes: receipt.bytes })),
      bytes: applied.reduce((sum, { receipt }) => sum + receipt.bytes, 0),
      availableBefore: facts.available,
      availableAfter: evidence.data?.availableAfter ?? facts.available,
      blind: [...facts.blind],
    };
  },
});
