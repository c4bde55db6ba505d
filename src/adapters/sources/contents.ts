import type { ContentItem, ContentSummary, LayerResult, Part, Unsure } from '../../core/backup/copy.ts';
import type { Compares, SealedCopy } from '../../core/backup/reader.ts';
import type { Bytes, CopyWriter, Doing } from '../../core/backup/store.ts';
import { StewardError } from '../../core/errors.ts';
import { createContentsText } from './contents-text.ts';
import { byName } from './order.ts';

/** The part that holds what was counted. */
export const CONTENTS_PART = 'contents.json';
export const asContents = { name: CONTENTS_PART, kind: 'contents' } as const;

type Items = AsyncIterable<ContentItem> | Iterable<ContentItem>;

/** Writes what was counted as a part of the copy. The items come in the order of `byName`. */
export async function writeContents(
  writer: CopyWriter,
  items: Items,
): Promise<{ readonly part: Part; readonly contents: ContentSummary }> {
  const all = createContentsText();
  async function* lines(): Bytes {
    for await (const item of items) {
      const text = all.add(item);
      if (text !== undefined) yield Buffer.from(text);
    }
    yield Buffer.from(all.end().text);
  }
  const part = await writer.part(asContents, lines());
  return { part, contents: all.end().contents };
}

/** What was counted when the copy was made. */
export async function* readContents(copy: SealedCopy, doing: Doing): AsyncIterable<ContentItem> {
  const part = partOf(copy, ({ kind }) => kind === 'contents', 'what was counted in it');
  let rest = '';
  const decoder = new TextDecoder();
  for await (const chunk of copy.store.read(copy.location, part, doing)) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) if (line.startsWith('{')) yield JSON.parse(line.replace(/,$/, '')) as ContentItem;
  }
}

/** The part of a copy that something needs; VERIFICATION_FAILED where there is none. */
export function partOf({ manifest }: SealedCopy, wanted: (part: Part) => boolean, what: string): Part {
  const part = manifest.parts.find(wanted);
  if (part) return part;
  throw new StewardError('VERIFICATION_FAILED', `Copy ${manifest.copy} of ${manifest.source.name} lacks ${what}.`, {
    hint: 'Use another copy of this source.',
  });
}

export interface Comparison {
  readonly ok: boolean;
  readonly same: number;
  /** Of which there was nothing to compare but their count, or not even that. */
  readonly unsure: Unsure;
  /** How many have lapsed since, and were not compared. */
  readonly gone: number;
  /** Whether anything was compared that tells something. */
  readonly told: boolean;
  /** The first of each, to be told; `counts` has how many there are. */
  readonly missing: readonly string[];
  readonly different: readonly string[];
  readonly added: readonly string[];
  readonly counts: { readonly missing: number; readonly different: number; readonly added: number };
}

/** Both come in the order of `byName`, so neither has to be in memory. */
export async function compareContents(
  recorded: Items,
  found: Items,
  { attributes = ({ attributes: all }) => all, mayAdd = false, tells = () => true, lapsed }: Compares = {},
): Promise<Comparison> {
  const first = { missing: [] as string[], different: [] as string[], added: [] as string[], unsure: [] as string[] };
  const counts = { missing: 0, different: 0, added: 0, unsure: 0 };
  const note = (kind: keyof typeof counts, name: string): void => {
    counts[kind] += 1;
    if (counts[kind] <= TOLD) first[kind].push(name);
  };
  let [same, told] = [0, false];
  const [left, right] = [iterate(recorded), iterate(found)];
  let [was, is] = [await left.next(), await right.next()];
  const isGone = lapsed?.();
  let gone = 0;
  while (!was.done || !is.done) {
    if (isGone && !was.done && isGone(was.value)) {
      gone += was.value.count;
      was = await left.next();
      continue;
    }
    if (isGone && !is.done && isGone(is.value)) {
      is = await right.next();
      continue;
    }
    const order = was.done ? 1 : is.done ? -1 : byName(was.value.name, is.value.name);
    if (order < 0) {
      const { name, checksum } = was.value as ContentItem;
      // It went, or could not be read, while the copy was made.
      if (checksum === null) note('unsure', name);
      else note('missing', name);
    }
    if (order > 0) note('added', (is.value as ContentItem).name);
    if (order === 0) {
      const [before, now] = [was.value as ContentItem, is.value as ContentItem];
      // What whoever looks may not read here says nothing of the copy, either.
      const unread = now.checksum === null && before.count === now.count;
      if (before.checksum === null || unread) note('unsure', before.name);
      else if (before.checksum !== now.checksum || before.count !== now.count || attributes(before) !== attributes(now))
        note('different', before.name);
      else {
        same += 1;
        told ||= tells(before);
      }
    }
    if (order <= 0) was = await left.next();
    if (order >= 0) is = await right.next();
  }
  const ok = counts.missing === 0 && counts.different === 0 && (mayAdd || counts.added === 0);
  const { unsure, ...names } = first;
  return { ok, same, told, gone, unsure: { count: counts.unsure, first: unsure }, ...names, counts };
}
const TOLD = 10;

/** In a sentence: what is equal, or what is not. `things` names the items: tables, files, keys. */
export function tellComparison(
  { ok, same, gone, unsure, missing, different, added, counts }: Comparison,
  things: string,
): string {
  const list = (names: readonly string[], all: number): string =>
    `${names.slice(0, 3).join(', ')}${all > 3 ? ` and ${all - 3} more` : ''}`;
  const lapsed = gone > 0 ? `; ${gone} have expired since, or may have` : '';
  const rest =
    unsure.count > 0
      ? `; ${unsure.count} could not be compared, because they changed while they were copied or could not be read: ${list(unsure.first, unsure.count)}`
      : '';
  if (ok) return `All ${same} ${things} hold what was recorded when the copy was made${lapsed}${rest}.`;
  const wrong = [
    ...(counts.missing > 0 ? [`missing: ${list(missing, counts.missing)}`] : []),
    ...(counts.different > 0 ? [`different: ${list(different, counts.different)}`] : []),
    ...(counts.added > 0 ? [`not recorded: ${list(added, counts.added)}`] : []),
  ];
  return `Of the ${things} ${same} are as recorded; ${wrong.join('; ')}${rest}.`;
}

/**
 * What that says of a restored copy. PRECONDITION_FAILED where nothing was compared that tells something: then it is not known what the
 * copy is worth.
 */
export function judge(comparison: Comparison, things: string): Pick<LayerResult, 'ok' | 'statement' | 'unsure'> {
  const { ok, told, gone, unsure } = comparison;
  if (ok && !told && gone > 0)
    throw new StewardError(
      'PRECONDITION_FAILED',
      `Nothing of the copy could be compared: all ${gone} in it have expired since it was made, or may have.`,
      { hint: 'Restore it in a drill sooner: steward backup verify, right after the backup.' },
    );
  if (ok && !told && unsure.count > 0)
    throw new StewardError(
      'PRECONDITION_FAILED',
      `Nothing of the copy could be compared: ${unsure.first.slice(0, 3).join(', ')}${unsure.count > 3 ? ` and ${unsure.count - 3} more` : ''} changed while it was made, or could not be read.`,
      { hint: 'Bring to rest who writes there while it is copied, or name a database as a source of its own kind.' },
    );
  return { ok, statement: tellComparison(comparison, things), ...(ok && unsure.count > 0 && { unsure }) };
}

function iterate(items: Items): AsyncIterator<ContentItem> | Iterator<ContentItem> {
  return Symbol.asyncIterator in items ? items[Symbol.asyncIterator]() : items[Symbol.iterator]();
}
