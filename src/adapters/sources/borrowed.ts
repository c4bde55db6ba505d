import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { writeAtOnce } from './scratch.ts';

const FILE = 'borrowed.json';
const Borrowed = z.object({ source: z.unknown(), databases: z.array(z.string()) });

/** On record before they are made on the source's own server: whoever finds the folder of a dead process knows what to remove where. */
export async function recordBorrowed(folder: string, source: unknown, databases: readonly string[]): Promise<void> {
  await writeAtOnce(join(folder, FILE), JSON.stringify({ source, databases }));
}

/** Undefined also where there is only half of it: it was being written, and nothing was made yet. */
export async function borrowedIn(folder: string): Promise<z.output<typeof Borrowed> | undefined> {
  try {
    return Borrowed.parse(JSON.parse(await readFile(join(folder, FILE), 'utf8')));
  } catch {
    return undefined;
  }
}
