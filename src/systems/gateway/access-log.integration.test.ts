import { execFileSync } from 'node:child_process';
import { appendFile, mkdtemp, open, readdir, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { memoryLog } from '../../testing/log.ts';
import { createAccessLog } from './access-log.ts';
import type { UnjudgedRecord } from './record.ts';
import { createRequestIds, timeOfId } from './request-ids.ts';

const DAY_MS = 24 * 60 * 60_000;
const BOUNDS = { fileBytes: 100_000, keepBytes: 1_000_000, keepMs: 14 * DAY_MS };

describe('the access log', () => {
  let folder: string;
  let clock: Date;
  let log: ReturnType<typeof memoryLog>;
  beforeEach(async () => {
    log = memoryLog();
    folder = await mkdtemp(join(tmpdir(), 'stw-access-'));
    clock = new Date();
  });
  afterEach(async () => await rm(folder, { recursive: true, force: true }));
  const opened = (at = folder, findMs = 20_000) =>
    createAccessLog({ folder: at, now: () => clock, log, bounds: BOUNDS, findMs });
  const newId = createRequestIds(() => clock);

  const about = (id: string, rule: string, more: object = {}): UnjudgedRecord => {
    const said = { id, at: clock.toISOString(), address: '192.0.2.1', status: 200, why: '', ...more };
    return { ...said, rule: rule as UnjudgedRecord['rule'] };
  };
  const refusal = (id: string, more: object = {}): UnjudgedRecord => about(id, 'malformed', more);
  const passage = (id: string, more: object = {}): UnjudgedRecord => about(id, 'forward', more);

  async function bytes(kind: string): Promise<number> {
    const names = (await readdir(folder)).filter((name) => name.startsWith(kind));
    const sizes = await Promise.all(names.map(async (name) => (await stat(join(folder, name))).size));
    return sizes.reduce((sum, size) => sum + size, 0);
  }

  it('keeps a line for each request, which is found by its id, after a restart too', async () => {
    const one = opened();
    const ids = Array.from({ length: 1_200 }, () => newId());
    for (const id of ids) one.write(passage(id));
    expect(await one.find(ids[1_199] ?? '')).toMatchObject({ id: ids[1_199], status: 200 });
    await one.close();
    // A crash cuts the last line off.
    const cut = newId();
    await appendFile(join(folder, 'access.jsonl'), `{"id":"${cut}","sta`);
    const two = opened();
    expect(await two.find(ids[7] ?? '')).toMatchObject({ id: ids[7], status: 200 });
    expect(await two.find(cut)).toBeUndefined();
    expect(await two.find(newId())).toBeUndefined();
    await two.close();
  });

  it('takes nothing for a record that only names it', async () => {
    const one = opened();
    const id = newId();
    one.write(refusal(newId(), { path: `/"id":"${id}"`, why: id, of: [{ id }] }));
    one.write(refusal(id, { why: 'it' }));
    expect(await one.find(id)).toMatchObject({ why: 'it' });
    await one.close();
  });

  it('keeps what was refused, however much goes well meanwhile, and bounds either', async () => {
    const one = opened();
    const refused = newId();
    const failed = newId();
    const shadowed = newId();
    const left = newId();
    one.write(refusal(refused));
    one.write(passage(failed, { ended: 'upstream-slow' }));
    one.write(passage(shadowed, { limits: [{ shadow: true, allowed: false }] }));
    one.write(passage(left, { ended: 'client-gone' }));
    const long = 'x'.repeat(1_000);
    for (let at = 0; at < 40; at += 1) {
      for (let part = 0; part < 100; part += 1) one.write(passage(newId(), { long }));
      clock = new Date(clock.getTime() + 1_000);
      await one.flush();
    }
    for (const id of [refused, failed, shadowed]) expect(await one.find(id)).toMatchObject({ id });
    expect(await one.find(left)).toBeUndefined();
    for (let at = 0; at < 40; at += 1) {
      for (let part = 0; part < 100; part += 1) one.write(refusal(newId(), { long }));
      clock = new Date(clock.getTime() + 1_000);
      await one.flush();
    }
    expect(await one.find(refused)).toBeUndefined();
    for (const kind of ['access', 'refused']) {
      const kept = await bytes(kind);
      expect(kept).toBeGreaterThan(BOUNDS.keepBytes / 2);
      expect(kept).toBeLessThan(BOUNDS.keepBytes * 1.2);
    }
    await one.close();
  }, 60_000);

  it('keeps what is little for two weeks, a file a day, and no longer', async () => {
    const one = opened();
    const ids: string[] = [];
    for (let day = 0; day < 20; day += 1) {
      ids.push(newId());
      one.write(refusal(ids[day] ?? ''));
      await one.flush();
      clock = new Date(clock.getTime() + DAY_MS);
    }
    const found = await Promise.all(ids.map(async (id) => (await one.find(id)) !== undefined));
    expect(found.lastIndexOf(false)).toBeGreaterThanOrEqual(3);
    expect(found.lastIndexOf(false)).toBeLessThanOrEqual(6);
    await one.close();
    // Where nobody asks any more, nothing stays because nobody asks.
    const long = new Date(clock.getTime() - 15 * DAY_MS);
    await utimes(join(folder, 'refused.jsonl'), long, long).catch(() => undefined);
    clock = new Date(clock.getTime() + 15 * DAY_MS);
    const two = opened();
    await two.tidy();
    expect(await readdir(folder)).toEqual([]);
    await two.close();
  });

  it('looks first where it was written, and waits for no disk that hangs', async () => {
    const one = opened(folder, 500);
    // A pipe that nobody writes to holds who opens it, as a disk does that does not answer.
    const pipes = [clock.getTime() - DAY_MS, clock.getTime() + DAY_MS].map((time) =>
      join(folder, `refused-${time}.jsonl`),
    );
    for (const pipe of pipes) execFileSync('mkfifo', [pipe]);
    const early = newId();
    await writeFile(join(folder, `refused-${clock.getTime() + 60_000}.jsonl`), `${JSON.stringify(refusal(early))}\n`);
    expect(await one.find(early)).toMatchObject({ id: early });
    await expect(one.find(newId())).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    for (const pipe of pipes) await (await open(pipe, 'r+')).close();
    await one.close();
  });

  it('keeps a bounded number of bytes while the disk hangs, and lets nobody who asks wait for it', async () => {
    const pipe = join(folder, 'refused.jsonl');
    execFileSync('mkfifo', [pipe]);
    const one = opened(folder, 500);
    // As long as a request may say where it goes.
    const path = `/${'x'.repeat(16_000)}`;
    const lines = 4_000;
    for (let at = 0; at < lines; at += 1) one.write(refusal(newId(), { path }));
    expect((lines - one.dropped) * path.length).toBeLessThan(32 * 1024 * 1024);
    const asked = await Promise.allSettled([one.refused(10), ...Array.from({ length: 50 }, () => one.find(newId()))]);
    for (const each of asked) expect(each).toMatchObject({ reason: { code: 'UNAVAILABLE' } });
    // It is back: whoever writes to the pipe is told that nobody reads, and begins a file.
    const reader = await open(pipe, 'r+');
    await rm(pipe);
    await reader.close();
    const id = newId();
    await one.flush();
    one.write(refusal(id));
    expect(await one.find(id)).toMatchObject({ id });
    await one.close();
  });

  it('drops lines where the disk takes none, says so once, and goes on', async () => {
    const file = join(folder, 'not-a-folder');
    await writeFile(file, '');
    const one = opened(file);
    for (let at = 0; at < 10; at += 1) {
      one.write(refusal(newId()));
      await one.flush();
    }
    expect(one.dropped).toBe(10);
    expect(log.lines.filter(({ message }) => message.includes('cannot be written'))).toHaveLength(1);
    await one.close();
  });

  it('gives ids that say when, and that nobody guesses', () => {
    const ids = Array.from({ length: 1_000 }, () => newId());
    expect(new Set(ids).size).toBe(1_000);
    for (const id of ids) {
      expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
      expect(timeOfId(id)).toBe(clock.getTime());
    }
    expect(timeOfId('f47ac10b-58cc-4372-a567-0e02b2c3d479')).toBeUndefined();
  });
});
