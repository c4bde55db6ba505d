import { defined } from '../../testing/defined.ts';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { SystemdPort, UnitInfo } from '../../core/ports/systemd.ts';

/** A world with units, whoever plays systemd. */
export interface SystemdWorld {
  readonly systemd: SystemdPort;
  /** A service that runs until something ends it. */
  start(unit: string): Promise<void>;
  /** systemctl stop */
  stop(unit: string): Promise<void>;
  /** Its main process ends with a failure. */
  crash(unit: string): Promise<void>;
  /** From here on it cannot start. */
  breakIt(unit: string): Promise<void>;
  say(unit: string, line: string): Promise<void>;
  close(): Promise<void>;
}

const signal = new AbortController().signal;

/** What whoever implements SystemdPort promises. */
export function systemdContract(name: string, create: () => Promise<SystemdWorld>): void {
  describe(name, () => {
    let world: SystemdWorld;
    // The first systemd container of a machine has to be built.
    beforeAll(async () => {
      world = await create();
    }, 300_000);
    afterAll(() => world?.close());

    async function when(unit: string, condition: (info: UnitInfo) => boolean): Promise<UnitInfo> {
      for (;;) {
        const info = await world.systemd.unit(unit, 'system');
        if (info && condition(info)) return info;
        await sleep(50);
      }
    }

    it('tells of a running service, alone and among all', async () => {
      await world.start('plain.service');

      const unit = await world.systemd.unit('plain.service', 'system');

      expect(unit).toMatchObject({
        unit: 'plain.service',
        scope: 'system',
        loadState: 'loaded',
        activeState: 'active',
        subState: 'running',
        result: 'success',
      });
      expect(defined(unit).mainPid).toBeGreaterThan(0);
      expect(defined(unit).activeSince).toBeInstanceOf(Date);
      expect(await world.systemd.services()).toContainEqual(unit);
    });

    it('tells a stop from a failure', async () => {
      await world.start('stopped.service');
      await world.start('crashed.service');

      await world.stop('stopped.service');
      await world.crash('crashed.service');

      expect(await when('stopped.service', ({ activeState }) => activeState === 'inactive')).toMatchObject({
        result: 'success',
        mainPid: 0,
      });
      const crashed = await when('crashed.service', ({ activeState }) => activeState === 'failed');
      expect(crashed.result).not.toBe('success');
      expect(crashed.mainPid).toBe(0);
    });

    it('restarts what runs, what was stopped and what failed', async () => {
      for (const unit of ['again.service', 'again-stopped.service', 'again-failed.service']) await world.start(unit);
      const before = await world.systemd.unit('again.service', 'system');
      await world.stop('again-stopped.service');
      await world.crash('again-failed.service');
      await when('again-failed.service', ({ activeState }) => activeState === 'failed');

      for (const unit of ['again.service', 'again-stopped.service', 'again-failed.service']) {
        await world.systemd.restart(unit, 'system', signal);
        expect(await world.systemd.unit(unit, 'system')).toMatchObject({ activeState: 'active', result: 'success' });
      }
      expect(defined(await world.systemd.unit('again.service', 'system')).mainPid).not.toBe(defined(before).mainPid);
    });

    it('says that a restart failed', async () => {
      await world.start('broken.service');
      await world.breakIt('broken.service');

      await expect(world.systemd.restart('broken.service', 'system', signal)).rejects.toMatchObject({
        code: 'PROGRAM_FAILED',
        hint: expect.any(String),
      });

      expect(await world.systemd.unit('broken.service', 'system')).toMatchObject({ activeState: 'failed' });
    });

    it('gives the last lines of the journal', async () => {
      await world.start('talking.service');
      for (const line of ['first words', 'second words', 'third words']) await world.say('talking.service', line);

      const lines = await world.systemd.logs('talking.service', 'system', { tail: 2 });

      expect(lines).toHaveLength(2);
      expect(lines[0]).toContain('second words');
      expect(lines[1]).toContain('third words');
    });

    it('knows no unit that is not there', async () => {
      expect(await world.systemd.unit('nobody.service', 'system')).toBeUndefined();
      expect(await world.systemd.logs('nobody.service', 'system', { tail: 5 })).toEqual([]);
      await expect(world.systemd.restart('nobody.service', 'system', signal)).rejects.toMatchObject({
        code: 'NOT_FOUND',
      });
    });

    it('restarts nothing for a caller that gave up', async () => {
      await world.start('left-alone.service');
      const before = await world.systemd.unit('left-alone.service', 'system');

      await expect(world.systemd.restart('left-alone.service', 'system', AbortSignal.abort())).rejects.toMatchObject({
        code: 'CANCELED',
      });

      expect(defined(await world.systemd.unit('left-alone.service', 'system')).mainPid).toBe(defined(before).mainPid);
    });
  });
}
