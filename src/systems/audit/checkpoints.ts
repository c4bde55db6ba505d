import { appendFile, readFile } from 'node:fs/promises';
import { z } from 'zod';
import { headMac, sameHash, type Head } from './chain.ts';

const Checkpoint = z.object({
  chain: z.string(),
  seq: z.number().int(),
  hash: z.string(),
  at: z.string(),
  mac: z.string(),
});
export type Checkpoint = z.output<typeof Checkpoint>;

export type ReadCheckpoint =
  | { readonly line: number; readonly checkpoint: Checkpoint; readonly genuine: boolean }
  | { readonly line: number; readonly checkpoint?: undefined };

/** Positions of the chain, written outside the database: whoever cuts its end off and its head with it is found by them. */
export async function writeCheckpoint(file: string, key: Buffer, chain: string, head: Head, at: Date): Promise<void> {
  const checkpoint: Checkpoint = {
    chain,
    seq: head.seq,
    hash: head.hash,
    at: at.toISOString(),
    mac: headMac(key, head),
  };
  await appendFile(file, `${JSON.stringify(checkpoint)}\n`, { mode: 0o600 });
}

/** The checkpoints of this chain, in the order of the file. A line that cannot be read is reported, except a last one cut short by a crash. */
export async function readCheckpoints(file: string, key: Buffer, chain: string): Promise<ReadCheckpoint[]> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw thrown;
  }
  const lines = text.split('\n');
  const unfinished = lines.pop() === '' ? undefined : lines.length + 1;
  const found: ReadCheckpoint[] = [];
  for (const [index, line] of lines.entries()) {
    if (line === '' || index + 1 === unfinished) continue;
    const parsed = Checkpoint.safeParse(parseJson(line));
    if (!parsed.success) found.push({ line: index + 1 });
    else if (parsed.data.chain === chain) {
      found.push({
        line: index + 1,
        checkpoint: parsed.data,
        genuine: sameHash(parsed.data.mac, headMac(key, parsed.data)),
      });
    }
  }
  return found;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
