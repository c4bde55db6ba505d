import { appendFile, readFile, rename, truncate, writeFile } from 'node:fs/promises';
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

export function checkpointOf(key: Buffer, chain: string, head: Head, at: Date): Checkpoint {
  return { chain, seq: head.seq, hash: head.hash, at: at.toISOString(), mac: headMac(key, head) };
}

/** Positions of the chain, written outside the database: whoever cuts its end off and its head with it is found by them. */
export async function appendCheckpoint(file: string, checkpoint: Checkpoint): Promise<void> {
  await dropUnfinished(file);
  await appendFile(file, `${JSON.stringify(checkpoint)}\n`, { mode: 0o600 });
}

/** A line that a crash cut short says nothing, and must not spoil the one behind it. */
async function dropUnfinished(file: string): Promise<void> {
  const text = await textOf(file);
  if (text === '' || text.endsWith('\n')) return;
  await truncate(file, Buffer.byteLength(text.slice(0, text.lastIndexOf('\n') + 1)));
}

/** The checkpoints of this chain, in the order of the file. A line that cannot be read is reported, except a last one cut short by a crash. */
export async function readCheckpoints(file: string, key: Buffer, chain: string): Promise<ReadCheckpoint[]> {
  return parseCheckpoints(await textOf(file), key, chain);
}

export function parseCheckpoints(text: string, key: Buffer, chain: string): ReadCheckpoint[] {
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

const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;

/**
 * Which lines to keep: all of the last 24 hours, the last of each hour for 30 days, the last of each day after that. What is
 * no checkpoint stays: it is a finding.
 */
export function thinned(lines: readonly string[], now: Date): string[] {
  const kept: string[] = [];
  const slots = new Set<string>();
  for (const line of lines.toReversed()) {
    const parsed = Checkpoint.safeParse(parseJson(line));
    const at = parsed.success ? Date.parse(parsed.data.at) : Number.NaN;
    const age = now.getTime() - at;
    if (parsed.success && age > DAY_MS) {
      const length = age > 30 * DAY_MS ? DAY_MS : HOUR_MS;
      const slot = `${parsed.data.chain}:${length}:${Math.floor(at / length)}`;
      if (slots.has(slot)) continue;
      slots.add(slot);
    }
    kept.push(line);
  }
  return kept.toReversed();
}

/** Rewrites the file with fewer lines, in one step. Returns how many went. */
export async function thin(file: string, now: Date): Promise<number> {
  await dropUnfinished(file);
  const lines = (await textOf(file)).split('\n').filter((line) => line !== '');
  const kept = thinned(lines, now);
  if (kept.length === lines.length) return 0;
  await writeFile(`${file}.new`, kept.map((line) => `${line}\n`).join(''), { mode: 0o600, flush: true });
  await rename(`${file}.new`, file);
  return lines.length - kept.length;
}

async function textOf(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw thrown;
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
