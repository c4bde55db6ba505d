import { defined } from '../../testing/defined.ts';
import { describe, expect, it } from 'vitest';
import { parseControlGroup } from './cgroup.ts';
import { identityOf, isAlive, statOf } from './identity.ts';
import { parseStat } from './stat.ts';

const id = 'ab'.repeat(32);

describe('stat', () => {
  it('reads a command that holds spaces and parentheses', () => {
    const stat = parseStat(`42 (a) (b c)) S 7 42 41 0 -1 4194560 1 0 0 0 30 12 0 0 20 0 1 0 98765 1000 250\n`);

    expect(stat).toMatchObject({
      pid: 42,
      command: 'a) (b c)',
      state: 'S',
      parent: 7,
      group: 42,
      session: 41,
      cpuTicks: 42,
      startTicks: 98_765,
      kernelThread: false,
    });
  });

  it('says nothing about text that is not a stat line', () => {
    expect(parseStat('')).toBeUndefined();
    expect(parseStat('42 (short) S 1')).toBeUndefined();
  });
});

describe('control group', () => {
  it.each([
    [
      'a unit on cgroup v2',
      '0::/system.slice/nginx.service\n',
      { unit: 'nginx.service', scope: 'system', container: undefined },
    ],
    [
      'a unit on cgroup v1',
      '4:memory:/system.slice/other.service\n1:name=systemd:/system.slice/nginx.service\n0::/\n',
      { unit: 'nginx.service', scope: 'system', container: undefined },
    ],
    [
      'an instance of a template',
      '0::/system.slice/system-postgresql.slice/postgresql@15-main.service',
      { unit: 'postgresql@15-main.service', scope: 'system', container: undefined },
    ],
    [
      "a user's unit",
      '0::/user.slice/user-1000.slice/user@1000.service/app.slice/web.service',
      { unit: 'web.service', scope: 'user', container: undefined },
    ],
    [
      'a program of a login session',
      '0::/user.slice/user-1000.slice/user@1000.service/app.slice/app-term.scope',
      { unit: undefined, scope: undefined, container: undefined },
    ],
    [
      'a container under the cgroupfs driver',
      `4:memory:/docker/${id}\n1:name=systemd:/docker/${id}\n`,
      { unit: undefined, scope: undefined, container: id },
    ],
    [
      'a container under the systemd driver',
      `0::/system.slice/docker-${id}.scope\n`,
      { unit: undefined, scope: undefined, container: id },
    ],
    [
      'a unit of the systemd in a container',
      `0::/system.slice/docker-${id}.scope/system.slice/nginx.service\n`,
      { unit: undefined, scope: undefined, container: id },
    ],
    ['nothing', '9:name=systemd:/\n0::/\n', { unit: undefined, scope: undefined, container: undefined }],
  ])('names %s', (_, text, expected) => {
    expect(parseControlGroup(text)).toEqual(expected);
  });
});

describe('identity', () => {
  it('knows this process again, and no other that has its number', () => {
    const self = defined(identityOf(process.pid));

    expect(isAlive(self)).toBe(true);
    expect(statOf({ ...self, startTicks: self.startTicks + 1 })).toBeUndefined();
    expect(statOf({ ...self, bootId: 'another boot' })).toBeUndefined();
  });
});
