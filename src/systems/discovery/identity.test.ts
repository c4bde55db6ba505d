import { describe, expect, it } from 'vitest';
import { containerIdentity, normalizeArgv, processIdentity, sameProgram, signatureOf } from './identity.ts';

const process = (
  argv: string[],
  part: Partial<Parameters<typeof signatureOf>[0]> = {},
): Parameters<typeof signatureOf>[0] => ({ executable: argv[0] ?? '', argv, cwd: '/srv/app', uid: 1000, ...part });

describe('arguments', () => {
  it.each([
    [
      ['redis-server', '--port', '6379'],
      ['redis-server', '--port', '6380'],
    ],
    [['redis-server 127.0.0.1:6379'], ['redis-server 127.0.0.1:41000']],
    [
      ['prometheus', '--web.listen-address=127.0.0.1:9090'],
      ['prometheus', '--web.listen-address=0.0.0.0:19090'],
    ],
    [
      ['node', 'server.js', '3000'],
      ['node', 'server.js', '8080'],
    ],
    [
      ['app', '--instance=3f2504e0-4f89-11d3-9a0c-0305e82c3301'],
      ['app', '--instance=9f2504e0-4f89-11d3-9a0c-0305e82c3302'],
    ],
  ])('%j and %j are the same start', (one, other) => {
    expect(normalizeArgv(one)).toBe(normalizeArgv(other));
  });

  it.each([
    [
      ['postgres', '-D', '/var/lib/pg/orders'],
      ['postgres', '-D', '/var/lib/pg/users'],
    ],
    [
      ['node', 'api.js'],
      ['node', 'worker.js'],
    ],
    [
      ['postgres', '-D', '/data/pg1'],
      ['postgres', '-D', '/data/pg2'],
    ],
  ])('%j and %j are two services', (one, other) => {
    expect(normalizeArgv(one)).not.toBe(normalizeArgv(other));
  });
});

describe('a process', () => {
  it('keeps its identity when its program was replaced by an update', () => {
    const before = signatureOf(process(['/usr/sbin/nginx']));
    const after = signatureOf(process(['/usr/sbin/nginx'], { executable: '/usr/sbin/nginx (deleted)' }));

    expect(processIdentity(after)).toBe(processIdentity(before));
  });

  it('keeps its identity when its folder was removed under it', () => {
    const before = signatureOf(process(['/usr/bin/redis-server'], { cwd: '/srv/cache' }));
    const after = signatureOf(process(['/usr/bin/redis-server'], { cwd: '/srv/cache (deleted)' }));

    expect(processIdentity(after)).toBe(processIdentity(before));
  });

  it('never carries its arguments in its identity', () => {
    expect(processIdentity(signatureOf(process(['/usr/bin/app', '--password', 'hunter2'])))).not.toContain('hunter2');
  });

  it('is another program where an interpreter runs another script', () => {
    const [one, other] = ['a.py', 'b.py'].map((script) => signatureOf(process(['/usr/bin/python3', script])));

    expect(one && other && sameProgram(one, other)).toBe(false);
  });
});

it('keeps the identity of a container that compose creates anew', () => {
  const labels = {
    'com.docker.compose.project': 'shop',
    'com.docker.compose.service': 'db',
    'com.docker.compose.container-number': '1',
  };

  expect(containerIdentity({ name: 'shop-db-1', labels })).toBe(containerIdentity({ name: '0a1b_shop-db-1', labels }));
});
