import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { writeAtomically } from './write-atomically.ts';

const LastGood = z.object({ file: z.string(), written: z.record(z.string(), z.json()) });

function lastGoodFile(home: string): string {
  return join(home, 'config.last-good.json');
}

/** Keeps what the file said, without defaults, so that a later version applies its own. */
export async function saveLastGood(home: string, file: string, written: unknown): Promise<void> {
  await writeAtomically(lastGoodFile(home), `${JSON.stringify({ file, written }, undefined, 2)}\n`);
}

/** What the same file said when it last was right; `undefined` where nothing usable was kept. */
export async function readLastGood(home: string, file: string): Promise<unknown> {
  try {
    const kept = LastGood.parse(JSON.parse(await readFile(lastGoodFile(home), 'utf8')));
    return kept.file === file ? kept.written : undefined;
  } catch {
    return undefined;
  }
}
