import { spawnSync } from 'node:child_process';
import { hostname } from 'node:os';
import { describe, expect, it } from 'vitest';
import { createSightings } from '../sightings.ts';
import { createLocks, parseLock } from './locks.ts';
import type { Restic } from './program.ts';

const now = new Date('2026-11-29T12:00:00Z');
/** Whose number nobody has here. */
const GONE = spawnSync('true').pid;
const lock = (of: object): string =>
  JSON.stringify({ time: '2026-11-29T11:58:00Z', exclusive: false, hostname: hostname(), pid: GONE, ...of });

const doing = { signal: new AbortController().signal };

function resticWith(held: Readonly<Record<string, string>>): { readonly restic: Restic; readonly asked: string[] } {
  const asked: string[] = [];
  const run = async ([what = '', , id = '']: readonly string[]) => {
    asked.push(what);
    return { stdout: what === 'list' ? Object.keys(held).join('\n') : held[id] };
  };
  return { restic: { run } as unknown as Restic, asked };
}

describe('a lock of restic on another machine', () => {
  it('is not dead because the clock here jumped forward, and is once nobody renewed it while this process looked on', async () => {
    const held: Record<string, string> = { ['a'.repeat(64)]: lock({ hostname: 'elsewhere' }) };
    const { restic } = resticWith(held);
    let clock = now;
    let here = 0;
    const locks = createLocks(restic, async () => '', {
      url: 's3:there',
      folder: undefined,
      now: () => clock,
      sees: true,
      sightings: createSightings(() => here),
    });
    const lives = async () => (await locks.list(doing)).map(({ alive }) => alive);
    expect(await lives()).toEqual(['unknown']);
    clock = new Date(now.getTime() + 10 * 365 * 86_400_000);
    here += 4 * 60_000;
    expect(await lives()).toEqual(['unknown']);
    expect(await locks.unlock(doing)).toEqual([]);
    // Renewed: as restic does it, by another lock in its place.
    delete held['a'.repeat(64)];
    held['b'.repeat(64)] = lock({ hostname: 'elsewhere', time: '2026-11-29T12:03:00Z' });
    here += 40 * 60_000;
    expect(await lives()).toEqual(['unknown']);
    here += 20 * 60_000;
    expect(await lives()).toEqual(['unknown']);
    here += 11 * 60_000;
    expect(await lives()).toEqual(['no']);
    // Set right again, it is young, and whoever holds it may live.
    clock = new Date('2026-11-29T13:15:00Z');
    expect(await lives()).toEqual(['unknown']);
  });
});

describe('a lock of restic, seen from within a container', () => {
  it('may be held by a process of another one with the same name, until restic itself would take it for dead', () => {
    const within = { now, sees: false, seenMs: 31 * 60_000 };
    expect(parseLock('a', lock({}), { ...within, sees: true }).alive).toBe('no');
    expect(parseLock('a', lock({}), within).alive).toBe('unknown');
    expect(parseLock('a', lock({ pid: process.pid }), within).alive).toBe('unknown');
    expect(parseLock('a', lock({ time: '2026-11-29T11:29:00Z' }), within).alive).toBe('no');
    expect(parseLock('a', lock({ time: '2026-11-29T11:29:00Z' }), { ...within, seenMs: 0 }).alive).toBe('unknown');
  });

  it('is left alone, with all others, where restic would remove it by the number of its process', async () => {
    const held: Record<string, string> = {
      ['a'.repeat(64)]: lock({}),
      ['b'.repeat(64)]: lock({ time: '2026-11-28T10:00:00Z' }),
    };
    const { restic, asked } = resticWith(held);
    let here = 0;
    const locks = createLocks(restic, async () => '', {
      url: 's3:here',
      folder: undefined,
      now: () => now,
      sees: false,
      sightings: createSightings(() => here),
    });
    expect((await locks.list(doing)).map(({ alive }) => alive)).toEqual(['unknown', 'unknown']);
    here += 31 * 60_000;
    expect((await locks.list(doing)).map(({ alive }) => alive)).toEqual(['unknown', 'no']);
    expect(await locks.unlock(doing)).toEqual([]);
    delete held['a'.repeat(64)];
    await locks.unlock(doing);
    expect(asked.filter((what) => what === 'unlock')).toEqual(['unlock']);
  });
});
