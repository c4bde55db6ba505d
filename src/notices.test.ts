import { tmpdir } from 'node:os';
import { describe, expect, it } from 'vitest';
import type { ModeRecord } from './core/mode.ts';
import { noticesOf } from './notices.ts';

const told = async (mode: () => Promise<ModeRecord>) =>
  (
    await noticesOf({
      home: tmpdir(),
      docker: { status: async () => ({ ok: true }) },
      systemd: { status: async () => ({ ok: true }) },
      mode,
      rejected: undefined,
      runbookProblems: [],
      noChannel: undefined,
      deadManConfigured: true,
      audit: { deliveries: async () => [] },
      nodes: async () => [],
      now: () => new Date('2026-11-20T12:00:00Z'),
    })
  ).find(({ id }) => id === 'mode');

describe('what a person should know about the mode', () => {
  it('is who stopped Steward, when and why, and how it goes on', async () => {
    const since = new Date('2026-11-20T11:00:00Z');
    expect(await told(async () => ({ mode: 'stopped', by: 'ada', reason: 'a fire', since }))).toMatchObject({
      level: 'critical',
      text: 'Steward is stopped: nothing that changes begins (ada, 2026-11-20T11:00:00.000Z: a fire).',
      hint: expect.stringContaining('steward mode normal'),
    });
    expect(await told(async () => ({ mode: 'observe-only', by: 'ada', since }))).toMatchObject({ level: 'warning' });
  });

  it('is nothing while it is normal, nor where the store is away', async () => {
    expect(await told(async () => ({ mode: 'normal' }))).toBeUndefined();
    expect(await told(() => Promise.reject(new Error('away')))).toBeUndefined();
  });
});
