import { z } from 'zod';
import { ContentItem, type LayerResult } from '../../core/backup/copy.ts';
import type { SealedCopy } from '../../core/backup/reader.ts';
import type { Doing } from '../../core/backup/store.ts';
import { StewardError } from '../../core/errors.ts';

const SHOWN = 20;
const Items = z.array(ContentItem);

/** What was recorded in the copy beside what is there now, item by item. */
export async function compareContents(
  { store, location, manifest }: SealedCopy,
  now: AsyncIterable<ContentItem>,
  doing: Doing,
): Promise<LayerResult> {
  const started = performance.now();
  const part = manifest.parts.find(({ kind }) => kind === 'contents');
  if (!part)
    throw new StewardError('VERIFICATION_FAILED', `Copy ${manifest.copy} does not say what is in it.`, {
      hint: 'It was not made by this version of Steward; look at the restored data yourself.',
    });
  const chunks: Uint8Array[] = [];
  for await (const chunk of store.read(location, part, doing)) chunks.push(chunk);
  const recorded = new Map(Items.parse(JSON.parse(Buffer.concat(chunks).toString())).map((item) => [item.name, item]));
  const total = recorded.size;
  const differences: { name: string; recorded: number | null; found: number | null }[] = [];
  for await (const { name, count, checksum } of now) {
    const before = recorded.get(name);
    recorded.delete(name);
    if (before?.count !== count || before.checksum !== checksum)
      differences.push({ name, recorded: before?.count ?? null, found: count });
  }
  for (const { name, count } of recorded.values()) differences.push({ name, recorded: count, found: null });
  return {
    layer: 'content',
    ok: differences.length === 0,
    statement:
      differences.length === 0
        ? `All ${total} items are what the copy recorded.`
        : `${differences.length} items are not what the copy recorded.`,
    durationMs: performance.now() - started,
    evidence: { items: total, differences: differences.slice(0, SHOWN) },
  };
}
