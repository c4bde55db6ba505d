import { z } from 'zod';
import type { SealedCopy } from '../../../core/backup/reader.ts';
import type { Bytes, Doing } from '../../../core/backup/store.ts';
import { partOf } from '../contents.ts';

export const ABOUT_PART = 'databases.json';

/** What a restore needs to know of a database, and what its dump has to be made of. */
const AboutDatabase = z.object({
  name: z.string(),
  characters: z.string(),
  collation: z.string(),
  dump: z.string().describe('Name of the part.'),
  /** Statements of the dump, counted while it was written. */
  tables: z.number().int(),
  inserts: z.number().int(),
  /** Parts that are restored after the dump, in this order: rows that were copied in part, then triggers. */
  after: z.array(z.string()),
  /** Restored last and only where they may run. */
  events: z.string().nullable(),
  bytes: z
    .number()
    .optional()
    .describe('What it took on the disk of its server, indexes included; older copies do not say.'),
  withoutRows: z.array(z.string()),
  withoutColumns: z.array(z.object({ table: z.string(), columns: z.array(z.string()) })),
});
export type AboutDatabase = z.output<typeof AboutDatabase>;

const About = z.object({
  version: z.string(),
  flavor: z.enum(['mariadb', 'mysql']),
  lowerCase: z.number().int(),
  databases: z.array(AboutDatabase),
});
export type About = z.output<typeof About>;

export async function* aboutText(about: About): Bytes {
  yield Buffer.from(`${JSON.stringify(about, null, 2)}\n`);
}

export async function readAbout(copy: SealedCopy, doing: Doing): Promise<About> {
  const part = partOf(copy, ({ name }) => name === ABOUT_PART, 'what its databases were like');
  const chunks: Uint8Array[] = [];
  for await (const chunk of copy.store.read(copy.location, part, doing)) chunks.push(chunk);
  return About.parse(JSON.parse(Buffer.concat(chunks).toString()));
}
