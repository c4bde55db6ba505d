import { createHash } from 'node:crypto';
import type { ContentItem, ContentSummary } from '../../core/backup/copy.ts';

// Knows little, so that a thread that only counts starts fast.

/** Hashing many short lines one by one takes longer than the lines do. */
const FLUSH = 64 * 1024;

/** Adds items up as they pass; they come in the order of `byName`. */
function createTally(): { add(item: ContentItem): void; summary(): ContentSummary } {
  const hash = createHash('sha256');
  let [items, total, text] = [0, 0, ''];
  const flush = (): void => {
    hash.update(text);
    text = '';
  };
  return {
    add({ name, count, checksum, attributes = '' }) {
      items += 1;
      total += count;
      text += `${JSON.stringify([name, count, checksum, attributes])}\n`;
      if (text.length >= FLUSH) flush();
    },
    summary() {
      flush();
      return { items, total, checksum: hash.copy().digest('hex') };
    },
  };
}

/** What was counted as text: a JSON list with one item a line, so that it can be read and written as it flows. */
export function createContentsText(): {
  /** Gives text as soon as there is some worth passing on. `asText` is the item as JSON, where somebody has it already. */
  add(item: ContentItem, asText?: string): string | undefined;
  /** Harmless twice. */
  end(): { readonly text: string; readonly contents: ContentSummary };
} {
  const tally = createTally();
  let [text, between] = ['[', ''];
  return {
    add(item, asText = JSON.stringify(item)) {
      tally.add(item);
      text += `${between}\n${asText}`;
      between = ',';
      if (text.length < FLUSH) return undefined;
      const full = text;
      text = '';
      return full;
    },
    end: () => ({ text: `${text}\n]\n`, contents: tally.summary() }),
  };
}
