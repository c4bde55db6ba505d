import { appendFile, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { memoryLog } from '../../testing/log.ts';
import { createAccessLog } from './access-log.ts';

const DAY_MS = 24 * 60 * 60_000;

describe('the access log', () => {
  let folder: string;
  let clock: Date;
  const log = memoryLog();
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'stw-access-'));
    clock = new Date();
  });
  afterEach(async () => await rm(folder, { recursive: true, force: true }));
  const opened = (at = folder) => createAccessLog({ folder: at, now: () => clock, log });

  it('keeps a line for each request, which is found by its id, after a restart too', async () => {
    const one = opened();
    for (let at = 0; at < 1_200; at += 1) one.write({ id: `id-${at}`, status: 200 } as { id: string });
    expect(await one.find('id-1199')).toEqual({ id: 'id-1199', status: 200 });
    await one.close();
    // A crash cuts the last line off.
    await appendFile(join(folder, 'access.jsonl'), '{"id":"id-1200","sta');
    const two = opened();
    expect(await two.find('id-7')).toEqual({ id: 'id-7', status: 200 });
    expect(await two.find('id-1200')).toBeUndefined();
    expect(await two.find('id-12000')).toBeUndefined();
    await two.close();
  });

  it('begins a new file when one is long or old, and lets the oldest go', async () => {
    const one = opened();
    const long = 'x'.repeat(1024 * 1024);
    for (let at = 0; at < 14; at += 1) {
      for (let part = 0; part < 33; part += 1) one.write({ id: `id-${at}-${part}`, long } as { id: string });
      clock = new Date(clock.getTime() + 1_000);
      await one.flush();
    }
    expect((await readdir(folder)).length).toBeLessThanOrEqual(8);
    expect(await one.find('id-13-32')).toMatchObject({ id: 'id-13-32' });
    expect(await one.find('id-0-0')).toBeUndefined();
    one.write({ id: 'before' });
    await one.flush();
    clock = new Date(clock.getTime() + 20 * DAY_MS);
    one.write({ id: 'after' });
    await one.flush();
    expect(await one.find('before')).toMatchObject({ id: 'before' });
    await one.close();
  }, 60_000);

  it('drops lines where the disk takes none, says so once, and goes on', async () => {
    const file = join(folder, 'not-a-folder');
    await writeFile(file, '');
    const one = opened(file);
    for (let at = 0; at < 10; at += 1) {
      one.write({ id: `id-${at}` });
      await one.flush();
    }
    expect(one.dropped).toBe(10);
    expect(log.lines.filter(({ message }) => message.includes('cannot be written'))).toHaveLength(1);
    await one.close();
  });
});
