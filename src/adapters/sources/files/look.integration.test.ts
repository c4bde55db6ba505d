import { execFileSync } from 'node:child_process';
import { appendFile, chmod, chown, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { tempFolder } from '../../../testing/world/temp-folder.ts';
import { lookAtTree } from './look.ts';

/** Longer than the clock of a file system lags behind. */
const TICK_MS = 50;

const nobody = 65_534;

it.skipIf(process.getuid?.() !== 0)(
  'a folder that may not be looked into is described as something that is not known',
  async () => {
    await using tree = await tempFolder();
    await using aside = await tempFolder();
    await Promise.all([mkdir(join(tree.path, 'closed')), writeFile(join(tree.path, 'open'), 'open')]);
    await writeFile(join(tree.path, 'closed', 'in it'), 'hidden');
    await Promise.all([
      chmod(tree.path, 0o755),
      chmod(join(tree.path, 'closed'), 0o700),
      chown(aside.path, nobody, nobody),
    ]);
    const script = `
    import { lookAtTree } from ${JSON.stringify(new URL('look.ts', import.meta.url).href)};
    const job = { roots: [${JSON.stringify(tree.path)}], exclude: [], apart: [], since: 0, known: undefined, spool: ${JSON.stringify(join(aside.path, 'items'))} };
    const leftOut = [];
    const look = lookAtTree(job, new AbortController().signal, ({ what }) => leftOut.push(what));
    await look.describe(() => undefined);
    let text = '';
    for await (const chunk of look.again([])) text += Buffer.from(chunk).toString();
    await look.end();
    console.log(JSON.stringify({ leftOut, items: JSON.parse(text) }));`;
    const said = execFileSync(process.execPath, ['--no-warnings', '--input-type=module', '-e', script], {
      uid: nobody,
      gid: nobody,
      cwd: '/',
    });
    const { leftOut, items } = JSON.parse(said.toString()) as {
      leftOut: string[];
      items: { name: string; checksum: string | null }[];
    };
    expect(leftOut).toContain(join(tree.path, 'closed'));
    expect(items.map(({ name }) => name.slice(tree.path.length))).toEqual(['', '/closed', '/closed/', '/open']);
    expect(items.find(({ name }) => name.endsWith('/closed/'))?.checksum).toBeNull();
  },
);

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
