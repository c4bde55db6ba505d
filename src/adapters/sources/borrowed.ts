import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';

const FILE = 'borrowed.json';
const Borrowed = z.object({ source: z.unknown(), databases: z.array(z.string()) });

/** On record before they are made on the source's own server: whoever finds the folder of a dead process knows what to remove where. */
export async function recordBorrowed(folder: string, source: unknown, databases: readonly string[]): Promise<void> {
  await writeFile(join(folder, FILE), JSON.stringify({ source, databases }), { mode: 0o600 });
}

export async function borrowedIn(folder: string): Promise<z.output<typeof Borrowed> | undefined> {
  const text = await readFile(join(folder, FILE), 'utf8').catch(() => undefined);
  return text === undefined ? undefined : Borrowed.parse(JSON.parse(text));
}
