import type { StoredScan } from '../../core/inventory-writer.ts';
import type { ScanItem } from '../../core/scan.ts';

/** What several scans, oldest first, changed together: what came and went between them is no difference. */
export function netOf(scans: readonly StoredScan[]): {
  readonly items: ScanItem[];
  readonly incomplete: string | undefined;
} {
  const net = new Map<string, ScanItem>();
  for (const { detail } of scans) {
    for (const item of detail?.items ?? []) {
      const before = net.get(item.id);
      const after = before ? together(before, item) : item;
      if (after) net.set(item.id, after);
      else net.delete(item.id);
    }
  }
  const unkept = scans.filter(({ detail }) => detail === undefined).length;
  const omitted = scans.reduce((sum, { detail }) => sum + (detail?.omitted ?? 0), 0);
  const incomplete = [
    ...(unkept > 0 ? [`of ${unkept} scans nothing but counts was kept`] : []),
    ...(omitted > 0 ? [`${omitted} items were more than is kept of one scan`] : []),
  ].join('; ');
  return { items: [...net.values()], incomplete: incomplete || undefined };
}

const THERE = new Set<ScanItem['kind']>(['found', 'returned']);

function together(before: ScanItem, after: ScanItem): ScanItem | undefined {
  const newest = { ...after, changes: merged(before, after) };
  if (THERE.has(before.kind)) {
    if (after.kind === 'gone') return undefined;
    return { ...newest, kind: before.kind, changes: before.kind === 'found' ? [] : newest.changes };
  }
  if (before.kind === 'gone') return THERE.has(after.kind) ? changed(newest) : newest;
  if (after.kind === 'gone') return newest;
  // It was missing for a while and is seen again.
  return after.kind === 'missing' ? newest : changed(newest);
}

function changed(item: ScanItem): ScanItem | undefined {
  return item.changes.length > 0 ? { ...item, kind: 'changed' } : undefined;
}

/** From the first value to the last one; what is again as it was is left out. */
function merged(before: ScanItem, after: ScanItem): ScanItem['changes'] {
  const members = new Map(before.changes.map((change) => [change.member, change]));
  for (const change of after.changes) {
    const earlier = members.get(change.member);
    members.set(change.member, earlier ? { ...change, before: earlier.before } : change);
  }
  return [...members.values()].filter(({ member, before: was, after: is }) => member !== 'state' && was !== is);
}
