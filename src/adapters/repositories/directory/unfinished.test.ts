import { mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Holder, Self } from '../holder.ts';
import { createSightings } from '../sightings.ts';
import { attemptsIn, openAttempt } from './unfinished.ts';

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'steward-unfinished-'));
});
afterEach(async () => await rm(root, { recursive: true, force: true }));

const holder = (of: Partial<Holder>): Holder => ({
  node: 'here',
  host: 'here',
  pid: 2,
  startTicks: 1,
  bootId: 'boot of this machine',
  pidSpace: 'pid:[1]',
  ...of,
});
const self: Self = { holder: holder({}), boots: new Set(['boot of this machine']) };
const DAY_MS = 86_400_000;

describe('an attempt at a copy by another machine', () => {
  it('is not dead because the clock here jumped forward, and is once nothing was written while this process looked on', async () => {
    const there = holder({ node: 'there', host: 'there', bootId: 'boot of another' });
    const copy = { id: 'cp_1', source: 'shop', at: new Date() };
    const folder = await openAttempt(root, copy, there, new Date());
    let here = 0;
    const sightings = createSightings(() => here);
    const jumped = new Date(Date.now() + 2 * DAY_MS);
    const lives = async (now = jumped) => (await attemptsIn(root, self, now, sightings)).map(({ lock }) => lock.alive);
    expect(await lives(new Date())).toEqual(['unknown']);
    here += 31 * 60_000;
    expect(await lives(new Date())).toEqual(['unknown']);
    // It writes on, and only then the clock jumps.
    const written = new Date(Date.now() + 60_000);
    await writeFile(join(folder, 'shop.dump'), 'more');
    await utimes(join(folder, 'shop.dump'), written, written);
    expect(await lives()).toEqual(['unknown']);
    here += 20 * 60_000;
    expect(await lives()).toEqual(['unknown']);
    here += 11 * 60_000;
    expect(await lives()).toEqual(['no']);
    // A process that looks for the first time has seen nothing yet.
    expect(
      (
        await attemptsIn(
          root,
          self,
          jumped,
          createSightings(() => here),
        )
      ).map(({ lock }) => lock.alive),
    ).toEqual(['unknown']);
    expect(await readdir(folder)).toContain('shop.dump');
  });
});
