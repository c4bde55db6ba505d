import { afterEach, describe, expect, it, vi } from 'vitest';
import { memoryLog } from '../../testing/log.ts';
import { createDeadMan, type DeadMan, type DeadManDeps, type DeadManSettings } from './dead-man.ts';

describe('dead-man', () => {
  const now = new Date('2026-01-01T00:00:00Z');
  let deadMan: DeadMan | undefined;
  afterEach(() => deadMan?.stop());

  function start(deps: Partial<DeadManDeps<DeadManSettings>>) {
    const log = memoryLog();
    deadMan = createDeadMan({
      settings: () => ({ everyMs: 5 }),
      ping: async () => undefined,
      now: () => now,
      log,
      ...deps,
    });
    deadMan.start();
    return { log, status: deadMan.status };
  }

  it('gives its sign again and again', async () => {
    const ping = vi.fn<() => Promise<void>>(async () => undefined);

    const { status } = start({ ping });

    await vi.waitFor(() => expect(ping.mock.calls.length).toBeGreaterThan(3));
    expect(status()).toEqual({ configured: true, lastSuccess: now, lastError: undefined });
  });

  it('shows a sign that was not taken, says so once, and goes on', async () => {
    let broken = true;
    let tries = 0;

    const { log, status } = start({
      ping: async () => {
        tries += 1;
        if (broken) throw new Error('HTTP 500');
      },
    });

    await vi.waitFor(() => expect(tries).toBeGreaterThan(3));
    expect(status()).toMatchObject({ configured: true, lastError: { at: now, message: 'HTTP 500' } });
    expect(log.lines.filter(({ level }) => level === 'warn')).toHaveLength(1);

    broken = false;
    await vi.waitFor(() => expect(status()).toEqual({ configured: true, lastSuccess: now, lastError: undefined }));
    expect(log.lines.at(-1)?.message).toBe('sign of life is taken again');
  });

  it('gives no sign while Steward cannot do its work', async () => {
    const ping = vi.fn<() => Promise<void>>(async () => undefined);

    const { status } = start({ ping, atWork: async () => false });

    await vi.waitFor(() => expect(status().lastError?.message).toContain('the store does not answer'));
    expect(ping).not.toHaveBeenCalled();
  });

  it('stops while a sign is on its way', async () => {
    const { log } = start({
      ping: (_settings, signal) =>
        new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(new Error('aborted')))),
    });

    await deadMan?.stop();

    expect(log.lines).toEqual([]);
  });

  it('is quiet where none is configured', async () => {
    const ping = vi.fn<() => Promise<void>>(async () => undefined);

    const { status } = start({ settings: () => undefined, ping });
    await deadMan?.stop();

    expect(status()).toMatchObject({ configured: false });
    expect(ping).not.toHaveBeenCalled();
  });
});
