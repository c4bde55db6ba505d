import { describe, expect, it } from 'vitest';
import { parseTimestamp, parseUnits } from './unit-info.ts';

describe('systemctl show', () => {
  it('reads several units, values with equal signs included', () => {
    const text =
      'Restart=on-failure\nMainPID=42\nNRestarts=3\nExecMainStatus=0\nResult=success\nId=web.service\nDescription=Web A=B\nLoadState=loaded\nActiveState=active\nSubState=running\n' +
      'FragmentPath=/etc/systemd/system/web.service\nActiveEnterTimestamp=Fri 2026-11-20 16:11:00 UTC\nInactiveEnterTimestamp=\n\n' +
      'Restart=no\nMainPID=0\nNRestarts=0\nExecMainStatus=1\nResult=exit-code\nId=job.service\nLoadState=loaded\nActiveState=failed\nSubState=failed\nFragmentPath=\n';

    const units = parseUnits(text, 'system');

    expect(units).toHaveLength(2);
    expect(units[0]).toEqual({
      unit: 'web.service',
      scope: 'system',
      description: 'Web A=B',
      loadState: 'loaded',
      activeState: 'active',
      subState: 'running',
      result: 'success',
      mainPid: 42,
      execMainStatus: 0,
      restarts: 3,
      restartPolicy: 'on-failure',
      activeSince: new Date('2026-11-20T16:11:00Z'),
      inactiveSince: undefined,
      fragmentPath: '/etc/systemd/system/web.service',
    });
    expect(units[1]).toMatchObject({
      unit: 'job.service',
      activeState: 'failed',
      result: 'exit-code',
      execMainStatus: 1,
      fragmentPath: undefined,
    });
  });

  it('takes no time for one that is not in UTC', () => {
    expect(parseTimestamp('Fri 2026-11-20 16:11:00 CET')).toBeUndefined();
    expect(parseTimestamp('n/a')).toBeUndefined();
    expect(parseTimestamp(undefined)).toBeUndefined();
  });
});
