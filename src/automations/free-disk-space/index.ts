import { z } from 'zod';
import { defineAutomation } from '../../core/automation.ts';
import { Duration, ms } from '../../core/duration.ts';
import { KeepPrevious } from '../../core/image-retention.ts';
import { findCaches, findImages, findJournal, findLogs, RUNGS, together } from '../../core/reclaim.ts';
import { leftOf, reclaim } from '../../core/reclaim-items.ts';
import { formatBytes, SpaceEvidence, spaceStatements, usedPercent } from '../../core/space.ts';
import { ladder, missingBytes, TARGET } from './plan.ts';

const MOST_CHANGES = 400;
const MEGABYTE = 1e6;

export default defineAutomation({
  name: 'free-disk-space',
  version: 1,
  title: 'Free disk space',
  summary: 'Makes room on a file system step by step, the harmless first, and stops as soon as there is enough.',
  category: 'maintenance',
  effect: 'destructive',
  priority: 'P1',
  ifMissed: 'the disk fills up, and what writes to it fails',
  load: 'io',
  needs: ['storage', 'docker'],
  input: z.object({
    path: z.string().startsWith('/').default('/').describe('A folder on the file system that is full.'),
    target: z
      .string()
      .regex(TARGET, 'expected how full it may be, such as 80%, or how much is to be free, such as 20GB')
      .default('80%')
      .describe('Enough is enough: at most so many percent used (80%), or at least so much free (20GB, 500MiB).'),
    cachesUnusedFor: Duration.default('1d').describe("What Docker's builds used within this time stays."),
    logsOlderThan: Duration.default('30d').describe('Rotated logs written within this time stay.'),
    journalKeepMB: z.number().int().min(100).max(1_000_000).default(500).describe('So much of the journal stays.'),
    imagesOlderThan: Duration.default('30d').describe('Images pulled, built or tagged within this time stay.'),
    keepPrevious: KeepPrevious,
  }),
  output: z.object({
    rungs: z
      .array(z.object({ rung: z.enum(RUNGS), items: z.number().int(), bytes: z.number().int() }))
      .describe('What was freed, rung by rung.'),
    bytes: z.number().int().describe('Space given back, as it was measured before, item by item.'),
    gainedBytes: z.number().int().describe('What the file system shows of it.'),
    usedPercentBefore: z.number(),
    usedPercentAfter: z.number(),
    reached: z.boolean().describe('Whether that is enough. Where it is not, nothing is left that may go.'),
    kept: z.record(z.string(), z.number().int()).describe('How many things stayed, and why.'),
    blind: z.array(z.string()).describe('What could not be looked at.'),
  }),
  examples: [
    { title: 'Until at most half is used', input: { target: '50%' } },
    { title: 'Until 40 GB are free for the databases', input: { path: '/var/lib', target: '40GB' } },
  ],
  safeguards: { limit: 'long', timeout: '15m', retry: { attempts: 3, backoff: '5s' } },

  async analyze({ input, ports, now, signal }) {
    const at = now();
    const space = await ports.storage.space(input.path);
    const missing = missingBytes(input.target, space);
    const before = new Date(at.getTime() - ms(input.logsOlderThan));
    const rules = { now: at, maxAgeMs: ms(input.imagesOlderThan), keepPrevious: input.keepPrevious };
    // On a disk with room enough nobody needs to count.
    const { items, kept, blind } =
      missing === 0
        ? together([])
        : together([
            await findCaches(ports, { now: at, unusedForMs: ms(input.cachesUnusedFor) }),
            await findLogs(ports, { before, signal }),
            await findJournal(ports, { keepBytes: input.journalKeepMB * MEGABYTE }),
            await findImages(ports, rules),
          ]);
    const here = items.filter(({ device }) => device === space.device);
    const chosen = ladder(here, missing, MOST_CHANGES);
    const freed = chosen.reduce((sum, { bytes }) => sum + bytes, 0);
    return {
      space,
      missing,
      items: chosen,
      kept,
      blind,
      usedPercent: usedPercent(space),
      promisedPercent: usedPercent({ usedBytes: space.usedBytes - freed, freeBytes: space.freeBytes + freed }),
      enough: freed >= missing,
      ...(freed < missing && {
        warning: `Only ${formatBytes(freed)} of ${formatBytes(missing)} that are missing may go; a person has to find the rest.`,
      }),
    };
  },

  async plan(_ctx, { items }) {
    return items.map(({ id, rung, title, reason, bytes }) => ({
      id,
      rung,
      title,
      reason,
      bytes,
      undo: 'none' as const,
    }));
  },

  // Each thing is looked at again before it goes, and nothing goes that was not in the plan.
  basis: ({ space }) => ({ device: space.device }),

  async execute({ input, ports, now, signal, progress }, change, { facts, receipts }) {
    const item = facts.items.find(({ id }) => id === change.id);
    if (!item) return { kept: 'no longer one that may go' };
    // What came before it, or somebody else, may have made room enough.
    if (receipts.size > 0 && missingBytes(input.target, await ports.storage.space(input.path)) === 0)
      return { kept: 'there is room enough' };
    progress({ done: receipts.size, total: facts.items.length, message: item.title });
    return await reclaim(ports, item, { now: now(), signal });
  },

  async verify({ input, ports, now, signal }, { facts, applied }) {
    const removed = facts.items.filter(({ id }) =>
      applied.some(({ change, receipt }) => change.id === id && 'bytes' in receipt),
    );
    const left = await leftOf(ports, removed, { now: now(), signal });
    return [
      ...(await spaceStatements(ports.storage, [{ folder: input.path, space: facts.space }], removed)),
      {
        name: 'What was removed is gone',
        ok: left.length === 0,
        evidence: { removed: removed.length, left: left.slice(0, 20).map(({ id }) => id) },
      },
    ];
  },

  record({ facts, applied, checks }) {
    const measured = SpaceEvidence.safeParse(checks[0]?.evidence).data;
    const kept: Record<string, number> = { ...facts.kept };
    const freed = new Map<string, { items: number; bytes: number }>();
    for (const { change, receipt } of applied) {
      if ('kept' in receipt) {
        kept[receipt.kept] = (kept[receipt.kept] ?? 0) + 1;
        continue;
      }
      const { items, bytes } = freed.get(change.rung) ?? { items: 0, bytes: 0 };
      freed.set(change.rung, { items: items + 1, bytes: bytes + receipt.bytes });
    }
    const rungs = RUNGS.flatMap((rung) => {
      const one = freed.get(rung);
      return one ? [{ rung, ...one }] : [];
    });
    const gainedBytes = measured?.gainedBytes ?? 0;
    return {
      rungs,
      bytes: rungs.reduce((sum, { bytes }) => sum + bytes, 0),
      gainedBytes,
      usedPercentBefore: measured?.usedPercentBefore ?? facts.usedPercent,
      usedPercentAfter: measured?.usedPercentAfter ?? facts.usedPercent,
      reached: gainedBytes >= facts.missing,
      kept,
      blind: [...facts.blind],
    };
  },
});
