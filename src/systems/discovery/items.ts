import type { KnownResource, ResourceChange } from '../../core/inventory-writer.ts';
import { canonicalJson } from '../../core/json.ts';
import { redact } from '../../core/redact.ts';
import type { Resource } from '../../core/resource.ts';
import { comparable } from './reconcile.ts';
import type { ScanItem } from '../../core/scan.ts';

const MOST_ITEMS = 500;
const LONGEST = 300;

/** What a scan noticed, in the words in which it is kept. */
export function itemsOf(
  changes: readonly ResourceChange[],
  known: readonly KnownResource[],
): { items: ScanItem[]; omitted: number } {
  const before = new Map(known.map(({ resource }) => [resource.id, resource]));
  const items = changes.flatMap(({ kind, changed, known: { resource, missedScans } }): ScanItem[] => {
    if (kind === 'seen' || kind === 'refreshed') return [];
    // Told once: at every further scan it is missing still.
    if (kind === 'missing' && missedScans > 1) return [];
    const old = before.get(resource.id);
    return [
      {
        kind,
        id: resource.id,
        resource: resource.kind,
        name: resource.name,
        changes:
          kind === 'found'
            ? []
            : changed.map((member) => ({
                member,
                before: shown(comparable(old?.[member as keyof Resource])),
                after: shown(comparable(resource[member as keyof Resource])),
              })),
      },
    ];
  });
  return { items: items.slice(0, MOST_ITEMS), omitted: Math.max(0, items.length - MOST_ITEMS) };
}

function shown(value: unknown): string | undefined {
  if (value === undefined || value === null) return undefined;
  const clean = redact(JSON.parse(JSON.stringify(value)) as never) as unknown;
  const text = typeof clean === 'string' ? clean : canonicalJson(clean);
  return text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text;
}
