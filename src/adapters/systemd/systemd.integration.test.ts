import { existsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Dockerd, startDockerd } from '../../testing/world/dockerd.ts';
import {
  startSystemdContainer,
  type SystemdContainer,
  systemdContainerMissing,
} from '../../testing/world/systemd-container.ts';
import { createPrograms } from '../programs/index.ts';
import { createSystemd } from './index.ts';
import { systemdContract } from './systemd.contract.ts';

const missing = systemdContainerMissing();
const programs = createPrograms({ environment: process.env });

describe.skipIf(missing !== undefined)(`systemd in a container${missing ? ` (skipped: ${missing})` : ''}`, () => {
  let engine: Dockerd;
  let container: SystemdContainer;
  beforeAll(async () => {
    engine = await startDockerd();
    container = await startSystemdContainer(engine);
  }, 300_000);
  afterAll(() => engine?.stop());

  systemdContract('the real one', async () => ({
    systemd: createSystemd({ programs, prefix: container.prefix }),
    async start(unit) {
      await container.addUnit(
        unit,
        '[Service]\nExecStart=/bin/sh -c "touch /run/say-%n; exec tail -f /run/say-%n"\nExecStartPre=/bin/sh -c "! test -e /run/broken-%n"\n',
      );
      await container.exec('systemctl', 'start', unit);
    },
    stop: async (unit) => void (await container.exec('systemctl', 'stop', unit)),
    crash: async (unit) => void (await container.exec('systemctl', 'kill', '--signal=SIGSEGV', unit)),
    breakIt: async (unit) => void (await container.exec('touch', `/run/broken-${unit}`)),
    async say(unit, line) {
      await container.exec('/bin/sh', '-c', 'echo "$2" >> "/run/say-$1"', 'say', unit, line);
      while (!(await container.exec('journalctl', '--unit', unit, '--output=cat')).includes(line)) await sleep(50);
    },
    async close() {},
  }));

  it('clears a used-up start limit before it restarts', async () => {
    const systemd = createSystemd({ programs, prefix: container.prefix });
    await container.addUnit(
      'loop.service',
      '[Unit]\nStartLimitBurst=2\nStartLimitIntervalSec=600\n[Service]\nRestart=always\nRestartSec=0\nExecStart=/bin/sh -c "test -e /run/loop-ok && exec sleep 1000"\n',
    );
    await container.exec('systemctl', 'start', 'loop.service');
    let unit = await systemd.unit('loop.service', 'system');
    while (unit?.activeState !== 'failed') {
      await sleep(50);
      unit = await systemd.unit('loop.service', 'system');
    }
    expect(unit.restarts).toBeGreaterThan(0);
    await expect(container.exec('systemctl', 'start', 'loop.service')).rejects.toThrow('loop.service');
    await container.exec('touch', '/run/loop-ok');

    await systemd.restart('loop.service', 'system', new AbortController().signal);

    expect(await systemd.unit('loop.service', 'system')).toMatchObject({ activeState: 'active', subState: 'running' });
  });

  it('answers that it is there', async () => {
    expect(await createSystemd({ programs, prefix: container.prefix }).status()).toEqual({ ok: true });
  });
});

describe('systemd', () => {
  it.skipIf(existsSync('/run/systemd/system'))('says that it is not the init system here', async () => {
    const systemd = createSystemd({ programs });

    expect(await systemd.status()).toEqual({ ok: false, reason: expect.stringContaining('systemd') });
    await expect(systemd.services()).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  });

  it('takes no option for the name of a unit', async () => {
    const systemd = createSystemd({ programs });

    await expect(systemd.unit('--help', 'system')).rejects.toMatchObject({ code: 'INPUT_INVALID' });
    await expect(systemd.restart('a.service b.service', 'system', new AbortController().signal)).rejects.toMatchObject({
      code: 'INPUT_INVALID',
    });
  });
});
