import { z } from 'zod';

/** One file of a copy. Its hash and length are those of its content, however a repository stores it. */
export const Part = z.object({
  /** `shop.dump`, `globals.sql`, `files.tar`: what it is, in the ending that standard tools expect. */
  name: z.string(),
  kind: z.enum(['dump', 'schema', 'globals', 'image', 'tree', 'databases', 'contents']),
  /** Which database of the server, where it is of one. */
  database: z.string().optional(),
  bytes: z.number().int(),
  sha256: z.string(),
  /** As stored: compressed, and where the repository deduplicates only what was new. */
  storedBytes: z.number().int(),
  /** As what it lay there, where it is one file of its source: a restore to the original puts it back so. */
  file: z.object({ mode: z.number().int(), uid: z.number().int(), gid: z.number().int() }).optional(),
  /** Which files of a tree lie in it instead, because they had to be copied in their own way. */
  holds: z.array(z.object({ path: z.string(), bytes: z.number().int(), sha256: z.string() })).optional(),
});
export type Part = z.output<typeof Part>;

/** What can be counted and compared: a table, a key space, a file. */
export const ContentItem = z.object({
  name: z.string(),
  count: z.number().int().describe('Rows, keys, or bytes of a file.'),
  checksum: z.string().nullable().describe('Null where there is none to compare: it changed while it was read.'),
  attributes: z.string().optional().describe('Mode and owner of a file, where a link leads to, when a key expires.'),
});
export type ContentItem = z.output<typeof ContentItem>;

/** Small enough for the record; the items themselves are the part `contents.json` of the copy. */
export const ContentSummary = z.object({
  items: z.number().int(),
  total: z.number().int().describe('Rows, keys or bytes of all items.'),
  checksum: z.string().describe('Of all items together.'),
});
export type ContentSummary = z.output<typeof ContentSummary>;

export const LeftOut = z.object({ what: z.string(), why: z.string() });

/** Written last: where it is, the copy is whole. */
export const Manifest = z.object({
  format: z.literal('steward-copy/1'),
  copy: z.string(),
  source: z.object({ name: z.string(), kind: z.string() }),
  node: z.string(),
  /** Of which instant the data is: nothing after it is in the copy, nothing before it is missing. */
  snapshotAt: z.iso.datetime(),
  startedAt: z.iso.datetime(),
  endedAt: z.iso.datetime(),
  /** Which program wrote it, in which version; what a restore needs to know. */
  tools: z.record(z.string(), z.string()),
  /** What was left out, and why. */
  leftOut: z.array(LeftOut),
  parts: z.array(Part),
  contents: ContentSummary,
});
export type Manifest = z.output<typeof Manifest>;

/** What verification can say of a copy, the cheapest first; each includes none of the others. */
export const ProofLayer = z.enum(['bytes', 'structure', 'restore', 'content', 'application']);
export type ProofLayer = z.output<typeof ProofLayer>;

/** What was in a copy and could not be compared: how much, and the first of it by name. */
export const Unsure = z.object({ count: z.number().int(), first: z.array(z.string()) });
export type Unsure = z.output<typeof Unsure>;

/** One layer, looked at once. A layer that there is nothing to ask of is not listed. */
export const LayerResult = z.object({
  layer: ProofLayer,
  ok: z.boolean(),
  /** What it proves or what is wrong, in a sentence. */
  statement: z.string(),
  durationMs: z.number(),
  /** It holds but for these, with which there was nothing to compare: they changed while they were copied, or could not be read. */
  unsure: Unsure.optional(),
  evidence: z.json().optional(),
});
export type LayerResult = z.output<typeof LayerResult>;

/** What was found, and what kept somebody from looking further where that says nothing of the copy. */
export interface Findings {
  readonly layers: readonly LayerResult[];
  readonly obstacle?: string | undefined;
}
