import { readFile, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { infoOf, type RedisClient } from '../../sources/redis/client.ts';
import { makeScratch, sweepScratch } from '../../sources/scratch.ts';

const KIND = 'defrag';
const FILE = 'before.json';

/** Which start of which server had its defragmentation turned on, and what was set before. */
const Before = z.object({ source: z.string(), runId: z.string(), activedefrag: z.string() });
type Before = z.output<typeof Before>;

/**
 * Written down before the setting is changed: whoever works on this source after kill -9 puts it back. A server that was
 * started anew meanwhile has the setting of its configuration file, and is left alone.
 */
export async function writeDown(scratch: string, before: Before): Promise<{ forget(): Promise<void> }> {
  const folder = await makeScratch(scratch, { kind: KIND, owner: before.source });
  await writeFile(join(folder.path, FILE), JSON.stringify(before), { mode: 0o600 });
  return { forget: () => folder.remove() };
}

/** Whether a Steward that was killed left it on at this server. */
export async function isLeftOn(scratch: string, source: string, info: string): Promise<boolean> {
  const folders = (await readdir(scratch).catch(() => [])).filter((name) => name.startsWith(`${KIND}-`));
  const all = await Promise.all(folders.map((name) => read(join(scratch, name))));
  return all.some((before) => before?.source === source && before.runId === infoOf(info, 'run_id'));
}

/** Sets back what was left, and forgets it. */
export async function putBack(scratch: string, source: string, client: RedisClient, info: string): Promise<void> {
  await sweepScratch(scratch, KIND, new Set([source]), async (folder) => {
    const before = await read(folder);
    if (before?.runId === infoOf(info, 'run_id'))
      await client.ask('CONFIG', 'SET', 'activedefrag', before?.activedefrag ?? 'no');
  });
}

async function read(folder: string): Promise<Before | undefined> {
  try {
    return Before.parse(JSON.parse(await readFile(join(folder, FILE), 'utf8')));
  } catch {
    return undefined;
  }
}
