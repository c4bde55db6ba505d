import { z } from 'zod';
import { CursorInstant } from '../../core/cursor.ts';
import { StewardError } from '../../core/errors.ts';
import type { InventoryWriter, StoredScan } from '../../core/inventory-writer.ts';
import { type AnyOperation, defineQuery, NoInput, PageInput, pageOf } from '../../core/operation.ts';
import { ScanItem, ScanSource } from '../../core/scan.ts';
import { netOf } from './scan-diff.ts';

export const Scan = z.object({
  id: z.string(),
  node: z.string(),
  trigger: z.enum(['schedule', 'start', 'request', 'change']),
  startedAt: z.coerce.date(),
  finishedAt: z.coerce.date(),
  durationMs: z.number().int(),
  services: z.number().int(),
  found: z.number().int(),
  changed: z.number().int(),
  returned: z.number().int(),
  gone: z.number().int(),
  blind: z.record(z.string(), z.string()).describe('Sources that could not be asked, with the reason.'),
});

const id = z.string().min(1).max(100);

export function historyOperations({ writer }: { readonly writer: InventoryWriter }): AnyOperation[] {
  async function stored(reference: string): Promise<StoredScan> {
    const scan = await writer.scan(reference);
    if (!scan)
      throw new StewardError('NOT_FOUND', `No scan is called '${reference}'.`, {
        hint: 'See the list: steward discovery history',
      });
    return scan;
  }

  return [
    defineQuery({
      name: 'discovery-history',
      title: 'Scans',
      summary: 'Lists past scans: what each found, and what it could not look at.',
      permission: 'read',
      input: PageInput,
      output: pageOf(Scan),
      paths: ['/api/v1/automation/discovery/history'],
      cli: ['discovery', 'history'],
      columns: ['id', 'startedAt', 'trigger', 'services', 'found', 'changed', 'gone', 'durationMs'],
      async handle({ limit, cursor }) {
        if (cursor !== undefined && !CursorInstant.safeParse(cursor).success) {
          throw new StewardError('INPUT_INVALID', `cursor: '${cursor}' is not one that this list gave.`, {
            hint: "Send the 'next' of the page before.",
          });
        }
        const scans = await writer.scans(limit + 1, cursor);
        const items = scans.slice(0, limit);
        const next = scans.length > limit ? items.at(-1)?.startedAt.toISOString() : undefined;
        return { items, ...(next ? { next } : {}) };
      },
    }),

    defineQuery({
      name: 'discovery-scan-get',
      title: 'Scan',
      summary: 'Shows one scan item by item: what it found, what changed from what to what, what it no longer saw.',
      permission: 'read',
      input: z.object({ id: id.describe('Id of the scan.') }),
      output: Scan.extend({
        items: z.array(ScanItem),
        omitted: z.number().int().describe('Further items, of which only the count was kept.'),
        sources: z.array(ScanSource),
        kept: z.boolean().describe('False for scans of before items were kept.'),
      }),
      paths: ['/api/v1/automation/discovery/history/{id}'],
      cli: ['discovery', 'scan'],
      cliArguments: ['id'],
      async handle(input) {
        const { record, detail } = await stored(input.id);
        const { items = [], omitted = 0, sources = [] } = detail ?? {};
        return { ...record, blind: { ...record.blind }, items, omitted, sources, kept: detail !== undefined };
      },
    }),

    defineQuery({
      name: 'discovery-diff',
      title: 'Difference of two scans',
      summary: 'Shows what is another between two scans of one machine, everything in between added up.',
      permission: 'read',
      input: z.object({ from: id.describe('Id of the earlier scan.'), to: id.describe('Id of the later scan.') }),
      output: z.object({
        node: z.string(),
        from: z.coerce.date(),
        to: z.coerce.date(),
        scans: z.number().int().describe('Scans behind the earlier one up to the later one.'),
        items: z.array(ScanItem),
        incomplete: z.string().optional().describe('Why something may be missing.'),
      }),
      paths: ['/api/v1/automation/discovery/diff'],
      cli: ['discovery', 'diff'],
      cliArguments: ['from', 'to'],
      async handle(input) {
        const [one, other] = await Promise.all([stored(input.from), stored(input.to)]);
        if (one.record.node !== other.record.node)
          throw new StewardError('INPUT_INVALID', 'These are scans of two machines.', {
            hint: 'Choose two scans with the same node: steward discovery history',
          });
        const [from = one, to = other] = [one, other].toSorted(
          (a, b) => a.record.startedAt.getTime() - b.record.startedAt.getTime(),
        );
        const { node } = from.record;
        const scans = await writer.scansBetween(node, from.record.startedAt, to.record.startedAt);
        const { items, incomplete } = netOf(scans);
        return {
          node,
          from: from.record.startedAt,
          to: to.record.startedAt,
          scans: scans.length,
          items,
          ...(incomplete ? { incomplete } : {}),
        };
      },
    }),

    defineQuery({
      name: 'discovery-sources',
      title: 'Files that were read',
      summary:
        'Lists the compose files and proxy configurations that the last scan read, and what of them cannot be said.',
      permission: 'read',
      input: NoInput,
      output: z.array(ScanSource.extend({ node: z.string(), readAt: z.coerce.date() })),
      paths: ['/api/v1/automation/discovery/sources'],
      cli: ['discovery', 'sources'],
      columns: ['kind', 'name', 'owner', 'entries', 'elsewhere', 'problems', 'node'],
      async handle() {
        return (await writer.latestScans()).flatMap(({ record, detail }) =>
          (detail?.sources ?? []).map((source) => ({ ...source, node: record.node, readAt: record.startedAt })),
        );
      },
    }),
  ];
}
