import { appendFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { tempFolder } from '../../../testing/world/temp-folder.ts';
import { lookAtTree } from './look.ts';

/** Longer than the clock of a file system lags behind. */
const TICK_MS = 50;

describe('a look at a tree that is being copied', () => {
  it('tells what was written since the copy began and before it was looked at, for it may have been copied before', async () => {
    await using tree = await tempFolder();
    await using aside = await tempFolder();
    const [early, late] = [join(tree.path, 'early'), join(tree.path, 'late')];
    await Promise.all([writeFile(early, 'as it was'), writeFile(late, 'as it was')]);
    await sleep(TICK_MS);
    const since = Date.now();
    await sleep(TICK_MS);
    await appendFile(late, ', and more');

    const leftOut: string[] = [];
    const job = {
      roots: [tree.path],
      exclude: [],
      apart: [],
      since,
      known: undefined,
      spool: join(aside.path, 'items'),
    };
    const look = lookAtTree(job, new AbortController().signal, ({ what }) => leftOut.push(what));
    await look.describe(() => undefined);
    let text = '';
    for await (const chunk of look.again([])) text += Buffer.from(chunk).toString();
    await look.end();

    expect(leftOut).toEqual([late]);
    const items = JSON.parse(text) as readonly { readonly name: string; readonly checksum: string | null }[];
    expect(items.find(({ name }) => name === late)?.checksum).toBeNull();
    expect(items.find(({ name }) => name === early)?.checksum).toMatch(/\S{20,}/);
  });
});
