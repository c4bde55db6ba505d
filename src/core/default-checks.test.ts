import { describe, expect, it } from 'vitest';
import type { CheckTarget, CheckTiming } from './check.ts';
import { type ConfiguredCheck, type WebPorts, checksOf } from './default-checks.ts';
import { describeTarget } from './describe-target.ts';
import { aResource } from '../testing/fakes/fake-inventory.ts';
import type { Resource } from './resource.ts';

const timing: CheckTiming = { every: '60s', timeout: '5s', failures: 3, successes: 1, slow: '30s' };

function targetsOf(
  of: Resource,
  { web, configured = [] }: { web?: WebPorts; configured?: ConfiguredCheck[] } = {},
): CheckTarget[] {
  return checksOf(of, { timing, checksFor: () => configured }, web).map(({ target }) => target);
}

const resource = (members: Partial<Resource>): Resource => aResource({ id: 'svc_1', ...members });

const tcp = (port: number, address = '127.0.0.1') => ({ protocol: 'tcp' as const, address, port });

describe('the checks of a service nobody configured', () => {
  it('asks a port that was learned to speak HTTP in HTTP, and takes any answer below 500', () => {
    const web = new Map([[8080, 'http'] as const]);
    expect(
      targetsOf(resource({ product: 'nginx', endpoints: [tcp(8080, '0.0.0.0'), tcp(8081)] }), { web }),
    ).toMatchObject([
      { kind: 'http', url: 'http://127.0.0.1:8080/', acceptAnyBelow: 500 },
      { kind: 'tcp', port: 8081 },
    ]);
  });

  it.each([
    ['postgresql', 'postgres'],
    ['mariadb', 'mysql'],
    ['redis', 'redis'],
    ['nats', 'tcp'],
    ['unknown', 'tcp'],
  ])('speaks to %s as %s', (product, kind) => {
    expect(targetsOf(resource({ product, endpoints: [tcp(7777)] }))).toMatchObject([
      { kind, host: '127.0.0.1', port: 7777 },
    ]);
  });

  it.each([
    ['postfix', [25, 465, 587], ['smtp offered', 'smtp implicit', 'smtp offered']],
    ['postfix', [10_025], ['tcp']],
    ['dnsmasq', [53], ['dns']],
    ['bind', [53, 953], ['dns', 'tcp']],
    ['unbound', [5335], ['dns']],
  ])('asks %s on %o in its own language', (product, ports, expected) => {
    const targets = targetsOf(resource({ product, endpoints: ports.map((port) => tcp(port)) }));
    expect(targets.map((target) => (target.kind === 'smtp' ? `smtp ${target.tls}` : target.kind))).toEqual(expected);
  });

  it('asks which models there are, and of a certificate when it ends, which is a warning and never more', () => {
    const web = new Map([[11_434, 'http'] as const, [8443, 'https'] as const]);
    expect(targetsOf(resource({ product: 'ollama', endpoints: [tcp(11_434)] }), { web })).toMatchObject([
      { kind: 'http' },
      { kind: 'models', url: 'http://127.0.0.1:11434', answers: 'none' },
    ]);
    expect(targetsOf(resource({ product: 'nginx', endpoints: [tcp(8443)] }), { web })).toMatchObject([
      { kind: 'http' },
      { kind: 'tls', port: 8443, warnOnly: true, anyName: true, anyIssuer: true },
    ]);
  });

  it('watches the machine itself within its thresholds, and never heals before it warns', () => {
    const machine = { memory: 80, disk: 85, inodes: 95, heal: 90, load: 1.5 };
    const settings = { timing, checksFor: () => [], machine };
    expect(checksOf(resource({ kind: 'node' }), settings).map(({ target }) => target)).toEqual([
      { kind: 'memory', warn: 80, heal: 90 },
      { kind: 'load', perCore: 1.5 },
      { kind: 'disk', warn: 85, heal: 90 },
      { kind: 'inodes', warn: 95, heal: 95 },
    ]);
    expect(targetsOf(resource({ kind: 'node' }))).toEqual([]);
  });

  it('looks once at a port bound for both families, and over IPv6 where that is all there is', () => {
    expect(targetsOf(resource({ endpoints: [tcp(80, '::'), tcp(80, '0.0.0.0'), tcp(81, '::')] }))).toMatchObject([
      { host: '127.0.0.1', port: 80 },
      { host: '::1', port: 81 },
    ]);
  });

  it('writes an IPv6 address into a URL in brackets', () => {
    expect(targetsOf(resource({ labels: { speaks: 'https' }, endpoints: [tcp(8443, '::')] }))).toMatchObject([
      { kind: 'http', url: 'https://[::1]:8443/', insecure: true },
      { kind: 'tls', host: '::1', port: 8443, warnOnly: true },
    ]);
  });

  it('lets a label for one port overrule what was learned', () => {
    const targets = targetsOf(
      resource({ product: 'nats', labels: { 'speaks.8222': 'http' }, endpoints: [tcp(4222), tcp(8222)] }),
    );
    expect(targets.map(describeTarget)).toEqual(['tcp 127.0.0.1:4222', 'http://127.0.0.1:8222/']);
  });

  it('asks the supervisor, and leaves sockets without a port alone', () => {
    const endpoints = [{ protocol: 'unix' as const, address: '/run/x.sock', port: 0 }];
    expect(
      targetsOf(resource({ endpoints, supervisor: { kind: 'systemd', unit: 'x.service', scope: 'system' } })),
    ).toMatchObject([{ kind: 'systemd', unit: 'x.service' }]);
    expect(
      targetsOf(resource({ endpoints, supervisor: { kind: 'docker', container: 'abc', name: 'web' } })),
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
    expect(targetsOf(resource({ supervisor: { kind: 'process', recipe } }))).toMatchObject([
      { kind: 'process', executable: '/usr/bin/node', argvContains: '/srv/app.js' },
    ]);
    const cut = { ...recipe, argv: ['node', '[redacted]/x.js', '--api-key=hunter2', 'password=hunter2', 'app:main'] };
    expect(targetsOf(resource({ pids: [42], supervisor: { kind: 'process', recipe: cut } }))).toEqual([
      { kind: 'process', pid: 42, executable: '/usr/bin/node', argvContains: 'app:main' },
    ]);
  });

  it('looks for the process of a service that nobody supervises: a frozen one still has its port open', () => {
    expect(targetsOf(resource({ pids: [42], endpoints: [tcp(9)] }))).toEqual([
      { kind: 'tcp', host: '127.0.0.1', port: 9 },
      { kind: 'process', pid: 42 },
    ]);
  });

  it('leaves ports alone that another start will not have, unless there are no others', () => {
    expect(targetsOf(resource({ endpoints: [tcp(40_000), tcp(6000)] }))).toMatchObject([{ port: 6000 }]);
    expect(targetsOf(resource({ endpoints: [tcp(40_000)] }))).toMatchObject([{ port: 40_000 }]);
  });

  it('speaks the language of a database on its first port only', () => {
    const targets = targetsOf(resource({ product: 'mysql', endpoints: [tcp(3307), tcp(3306)] }));
    expect(targets.map(describeTarget)).toEqual(['mysql 127.0.0.1:3306', 'tcp 127.0.0.1:3307']);
  });

  it('has nothing to look at where there is neither address nor supervisor', () => {
    expect(targetsOf(resource({}))).toEqual([]);
  });
});

describe('the checks of a configured service', () => {
  const http = (url: string): ConfiguredCheck => ({
    kind: 'http',
    url,
    expectStatus: [200],
    headers: {},
    followRedirects: false,
    insecure: false,
    every: '1s',
  });

  it('replace what discovery would ask of the same port, and add the rest', () => {
    const configured = [http('http://localhost:8003/health'), http('http://127.0.0.1:9999/')];
    const checks = checksOf(resource({ endpoints: [tcp(8003)], pids: [42] }), { timing, checksFor: () => configured });

    expect(checks.map(({ target, origin, every, timeout }) => [target.kind, origin, every, timeout])).toEqual([
      ['http', 'configured', '1s', '5s'],
      ['http', 'configured', '1s', '5s'],
      ['process', 'discovered', '60s', '5s'],
    ]);
  });
});
