import { createHash } from 'node:crypto';
import type { ContentItem, ContentSummary } from '../../core/backup/copy.ts';

// Knows little, so that a thread that only counts starts fast.

/** Hashing many short lines one by one takes longer than the lines do. */
const FLUSH = 64 * 1024;

/** An item, each member as JSON has it. */
export interface ItemText {
  readonly name: string;
  readonly count: string;
  readonly checksum: string;
  readonly attributes?: string | undefined;
}

function asText({ name, count, checksum, attributes }: ContentItem): ItemText {
  return {
    name: JSON.stringify(name),
    count: JSON.stringify(count),
    checksum: JSON.stringify(checksum),
    attributes: attributes === undefined ? undefined : JSON.stringify(attributes),
  };
}

/** As `JSON.stringify` has the whole item. */
function itemJson({ name, count, checksum, attributes }: ItemText): string {
  const rest = attributes === undefined ? '' : `,"attributes":${attributes}`;
  return `{"name":${name},"count":${count},"checksum":${checksum}${rest}}`;
}

/** Adds items up as they pass; they come in the order of `byName`. */
function createTally(): { add(item: ItemText): void; summary(): ContentSummary } {
  const hash = createHash('sha256');
  let [items, total, text] = [0, 0, ''];
  const flush = (): void => {
    hash.update(text);
    text = '';
  };
  return {
    add({ name, count, checksum, attributes = '""' }) {
      items += 1;
      total += Number(count);
      text += `[${name},${count},${checksum},${attributes}]\n`;
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
  /** Gives text as soon as there is some worth passing on. */
  add(item: ContentItem): string | undefined;
  /** The same, for whoever has it as text already. */
  addText(item: ItemText): string | undefined;
  /** Harmless twice. */
  end(): { readonly text: string; readonly contents: ContentSummary };
} {
  const tally = createTally();
  let [text, between] = ['[', ''];
  const addText = (item: ItemText): string | undefined => {
    tally.add(item);
    text += `${between}\n${itemJson(item)}`;
    between = ',';
    if (text.length < FLUSH) return undefined;
    const full = text;
    text = '';
    return full;
  };
  return {
    add: (item) => addText(asText(item)),
    addText,
    end: () => ({ text: `${text}\n]\n`, contents: tally.summary() }),
  };
}
