import { spawnSync } from 'node:child_process';
import { hostname } from 'node:os';
import { describe, expect, it } from 'vitest';
import { createLocks, parseLock } from './locks.ts';
import type { Restic } from './program.ts';

const now = new Date('2026-11-29T12:00:00Z');
/** Whose number nobody has here. */
const GONE = spawnSync('true').pid;
const lock = (of: object): string =>
  JSON.stringify({ time: '2026-11-29T11:58:00Z', exclusive: false, hostname: hostname(), pid: GONE, ...of });

describe('a lock of restic, seen from within a container', () => {
  it('may be held by a process of another one with the same name, until restic itself would take it for dead', () => {
    expect(parseLock('a', lock({}), now, true).alive).toBe('no');
    expect(parseLock('a', lock({}), now, false).alive).toBe('unknown');
    expect(parseLock('a', lock({ pid: process.pid }), now, false).alive).toBe('unknown');
    expect(parseLock('a', lock({ time: '2026-11-29T11:29:00Z' }), now, false).alive).toBe('no');
  });

  it('is left alone, with all others, where restic would remove it by the number of its process', async () => {
    const held: Record<string, string> = {
      ['a'.repeat(64)]: lock({}),
      ['b'.repeat(64)]: lock({ time: '2026-11-28T10:00:00Z' }),
    };
    const asked: string[] = [];
    const restic = {
      run: async ([what = '', , id = '']: readonly string[]) => {
        asked.push(what);
        return { stdout: what === 'list' ? Object.keys(held).join('\n') : held[id] };
      },
    } as unknown as Restic;
    const locks = createLocks(restic, async () => '', { folder: undefined, now: () => now, sees: false });
    const doing = { signal: new AbortController().signal };
    expect((await locks.list(doing)).map(({ alive }) => alive)).toEqual(['unknown', 'no']);
    expect(await locks.unlock(doing)).toEqual([]);
    delete held['a'.repeat(64)];
    await locks.unlock(doing);
    expect(asked.filter((what) => what === 'unlock')).toEqual(['unlock']);
  });
});
