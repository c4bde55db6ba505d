import { describe, expect, it } from 'vitest';
import { checkTargetsFor, describeTarget } from './default-checks.ts';
import { Resource } from './resource.ts';

function resource(members: Partial<Resource>): Resource {
  const at = new Date('2026-01-01T00:00:00Z');
  return Resource.parse({
    id: 'svc_1',
    kind: 'service',
    identity: 'x',
    node: 'here',
    name: 'x',
    product: 'unknown',
    confidence: 1,
    evidence: [],
    endpoints: [],
    pids: [],
    supervisor: { kind: 'none' },
    labels: {},
    critical: false,
    adoption: 'adopted',
    origin: 'discovered',
    state: 'present',
    firstSeen: at,
    lastSeen: at,
    ...members,
  });
}

const tcp = (port: number, address = '127.0.0.1') => ({ protocol: 'tcp' as const, address, port });

describe('the checks of a service nobody configured', () => {
  it('asks a web server over HTTP and takes any answer below 500', () => {
    const [target] = checkTargetsFor(resource({ product: 'nginx', endpoints: [tcp(8080, '0.0.0.0')] }));
    expect(target).toMatchObject({ kind: 'http', url: 'http://127.0.0.1:8080/', acceptAnyBelow: 500 });
  });

  it.each([
    ['postgresql', 'postgres'],
    ['mariadb', 'mysql'],
    ['redis', 'redis'],
    ['nats', 'tcp'],
    ['unknown', 'tcp'],
  ])('speaks to %s as %s', (product, kind) => {
    expect(checkTargetsFor(resource({ product, endpoints: [tcp(7777)] }))).toMatchObject([
      { kind, host: '127.0.0.1', port: 7777 },
    ]);
  });

  it('looks once at a port bound for both families, and over IPv6 where that is all there is', () => {
    expect(checkTargetsFor(resource({ endpoints: [tcp(80, '::'), tcp(80, '0.0.0.0'), tcp(81, '::')] }))).toMatchObject([
      { host: '127.0.0.1', port: 80 },
      { host: '::1', port: 81 },
    ]);
  });

  it('writes an IPv6 address into a URL in brackets', () => {
    expect(checkTargetsFor(resource({ labels: { speaks: 'https' }, endpoints: [tcp(8443, '::')] }))).toMatchObject([
      { url: 'https://[::1]:8443/', insecure: true },
    ]);
  });

  it('lets a label for one port overrule the product', () => {
    const targets = checkTargetsFor(
      resource({ product: 'nats', labels: { 'speaks.8222': 'http' }, endpoints: [tcp(4222), tcp(8222)] }),
    );
    expect(targets.map(describeTarget)).toEqual(['tcp 127.0.0.1:4222', 'http://127.0.0.1:8222/']);
  });

  it('asks the supervisor first, and leaves sockets without a port alone', () => {
    const endpoints = [{ protocol: 'unix' as const, address: '/run/x.sock', port: 0 }];
    expect(
      checkTargetsFor(resource({ endpoints, supervisor: { kind: 'systemd', unit: 'x.service', scope: 'system' } })),
    ).toMatchObject([{ kind: 'systemd', unit: 'x.service' }]);
    expect(
      checkTargetsFor(resource({ endpoints, supervisor: { kind: 'docker', container: 'abc', name: 'web' } })),
    ).toMatchObject([{ kind: 'container', container: 'web' }]);
  });

  it('tells two programs of one interpreter apart by their script', () => {
    const recipe = {
      argv: ['node', '--enable-source-maps', '/srv/app.js', 'serve'],
      executable: '/usr/bin/node',
      cwd: '/srv',
      uid: 0,
      gid: 0,
    };
    expect(checkTargetsFor(resource({ supervisor: { kind: 'process', recipe } }))).toMatchObject([
      { kind: 'process', executable: '/usr/bin/node', argvContains: '/srv/app.js' },
    ]);
  });

  it('leaves ports alone that another start will not have, unless there are no others', () => {
    expect(checkTargetsFor(resource({ endpoints: [tcp(40_000), tcp(6000)] }))).toMatchObject([{ port: 6000 }]);
    expect(checkTargetsFor(resource({ endpoints: [tcp(40_000)] }))).toMatchObject([{ port: 40_000 }]);
  });

  it('speaks the language of a database on its first port only', () => {
    const targets = checkTargetsFor(resource({ product: 'mysql', endpoints: [tcp(3307), tcp(3306)] }));
    expect(targets.map(describeTarget)).toEqual(['mysql 127.0.0.1:3306', 'tcp 127.0.0.1:3307']);
  });

  it('has nothing to look at where there is neither address nor supervisor', () => {
    expect(checkTargetsFor(resource({}))).toEqual([]);
  });
});
