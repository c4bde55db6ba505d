import { tmpdir } from 'node:os';
import { describe, expect, it } from 'vitest';
import type { ModeRecord } from '../core/mode.ts';
import { type NoticeParts, noticesOf } from './notices.ts';

const all = (given: Partial<NoticeParts>) =>
  noticesOf({
    home: tmpdir(),
    docker: { status: async () => ({ ok: true }) },
    systemd: { status: async () => ({ ok: true }) },
    mode: async () => ({ mode: 'normal' }),
    rejected: undefined,
    runbookProblems: [],
    noChannel: undefined,
    deadManConfigured: true,
    audit: { deliveries: async () => [] },
    unmeasured: undefined,
    kit: async () => undefined,
    nodes: async () => [],
    pauses: async () => [],
    labelled: async () => [],
    lackingPlaces: async () => [],
    now: () => new Date('2026-11-20T12:00:00Z'),
    ...given,
  });
const told = async (mode: () => Promise<ModeRecord>) => (await all({ mode })).find(({ id }) => id === 'mode');

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

describe('what a person should know about what is paused', () => {
  it('is who paused it, why and until when, and more loudly after a week', async () => {
    const pause = { component: 'auto_backup', by: 'olga', reason: 'the disk is replaced' };
    const notices = await all({
      pauses: async () => [
        { ...pause, since: new Date('2026-11-20T10:00:00Z'), until: new Date('2026-11-21T00:00:00Z') },
        { ...pause, component: 'auto_optimize', since: new Date('2026-11-10T10:00:00Z') },
      ],
    });
    expect(notices.filter(({ id }) => id.startsWith('paused:'))).toEqual([
      {
        id: 'paused:auto_backup',
        level: 'info',
        text: 'auto_backup does not start by itself for 2h now, until 2026-11-21T00:00:00.000Z (olga: the disk is replaced).',
        hint: 'When it shall run again: steward schedule resume auto_backup',
      },
      expect.objectContaining({ id: 'paused:auto_optimize', level: 'warning' }),
    ]);
  });
});
