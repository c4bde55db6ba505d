import { appendFile, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { PlaceResult } from '../../edge/handlers/probe/messages.ts';
import { openBacklog } from './backlog.ts';

let folder: string;
const troubles: string[] = [];
const open = (mostWaiting?: number) =>
  openBacklog(folder, { ...(mostWaiting && { mostWaiting }), onTrouble: (reason) => troubles.push(reason) });
const result = (id: string): PlaceResult => ({
  id,
  check: 'c',
  at: '2026-06-01T12:00:00.000Z',
  state: 'up',
  latencyMs: 1,
  message: 'HTTP 200',
});
const ids = (results: readonly PlaceResult[]): string[] => results.map(({ id }) => id);

beforeEach(async () => void (folder = await mkdtemp(join(tmpdir(), 'stw-backlog-'))));
afterEach(async () => await rm(folder, { recursive: true, force: true }));

describe('the backlog of a place', () => {
  it('is there again after a crash, without a line that was cut off', async () => {
    const backlog = await open();
    for (const id of ['1', '2', '3']) backlog.add(result(id));
    await backlog.settled();
    await appendFile(join(folder, 'results.jsonl'), JSON.stringify(result('4')).slice(0, 30));

    const again = await open();
    expect(ids(again.first(10))).toEqual(['1', '2', '3']);
    again.remove(again.first(2), 'sent');
    again.add(result('5'));
    await again.settled();
    expect(ids((await open()).first(10))).toEqual(['3', '5']);
  });

  it('gives up the oldest where too many wait, counts them, and does not grow on disk without end', async () => {
    const backlog = await open(10);
    for (let number = 1; number <= 100; number += 1) backlog.add(result(String(number)));
    await backlog.settled();
    expect(ids(backlog.first(3))).toEqual(['91', '92', '93']);
    expect([backlog.size, backlog.dropped]).toEqual([10, 90]);
    const lines = (await readFile(join(folder, 'results.jsonl'), 'utf8')).trim().split('\n');
    expect(lines.length).toBeLessThan(25);
    const again = await open(10);
    expect(ids(again.first(1))).toEqual(['91']);
    // What was given up since the last rewrite is counted anew from the lines that are left.
    expect(again.dropped).toBe(90);
  });

  it('keeps in memory what the disk does not take, and says so', async () => {
    const backlog = await open();
    await rm(folder, { recursive: true });
    backlog.add(result('1'));
    await backlog.settled();
    expect(troubles.at(-1)).toContain('ENOENT');
    expect(ids(backlog.first(1))).toEqual(['1']);
  });
});
