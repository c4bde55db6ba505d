import { describe, expect, it } from 'vitest';
import type { CheckTarget, CheckTiming } from '../../core/check.ts';
import type { Resource } from '../../core/resource.ts';
import { type ConfiguredCheck, type MonitoringSettings, checksOf, isWatched } from './checks.ts';

const timing: CheckTiming = { every: '60s', timeout: '5s', failures: 3, successes: 1, slow: '30s' };
const settings = (...checks: ConfiguredCheck[]): MonitoringSettings => ({ timing, checksFor: () => checks });
const none = new Map<number, 'http' | 'https'>();
const seen = new Date('2026-11-20T12:00:00Z');

const service = (more: Partial<Resource> = {}): Resource => ({
  id: 'svc_1',
  kind: 'service',
  identity: 'unit:app.service',
  node: 'n1',
  name: 'app',
  product: 'node',
  confidence: 0.9,
  evidence: [],
  endpoints: [{ protocol: 'tcp', address: '0.0.0.0', port: 8003 }],
  pids: [42],
  supervisor: { kind: 'none' },
  labels: {},
  critical: false,
  adoption: 'adopted',
  origin: 'discovered',
  state: 'present',
  firstSeen: seen,
  lastSeen: seen,
  ...more,
});
const targets = (
  resource: Resource,
  with_: MonitoringSettings = settings(),
  web: ReadonlyMap<number, 'http' | 'https'> = none,
): CheckTarget[] => checksOf(resource, with_, web).map(({ target }) => target);

describe('checks of what discovery found', () => {
  it('asks a port that speaks HTTP in HTTP, and takes any answer below 500', () => {
    expect(targets(service(), settings(), new Map([[8003, 'http']]))).toEqual([
      expect.objectContaining({ kind: 'http', url: 'http://127.0.0.1:8003/', acceptAnyBelow: 500 }),
      { kind: 'process', pid: 42 },
    ]);
  });

  it('connects to any other port, over the address that it is bound to', () => {
    expect(
      targets(
        service({
          endpoints: [
            { protocol: 'tcp', address: '::', port: 9 },
            { protocol: 'udp', address: '0.0.0.0', port: 53 },
          ],
          pids: [],
        }),
      ),
    ).toEqual([{ kind: 'tcp', host: '::1', port: 9 }]);
  });

  it.each([
    ['postgresql', 'postgres'],
    ['mariadb', 'mysql'],
    ['valkey', 'redis'],
  ])('speaks the language of %s on its first port', (product, kind) => {
    const endpoints: Resource['endpoints'] = [
      { protocol: 'tcp', address: '127.0.0.1', port: 16_000 },
      { protocol: 'tcp', address: '127.0.0.1', port: 6_000 },
    ];

    expect(targets(service({ product, endpoints, pids: [] }))).toEqual([
      { kind, host: '127.0.0.1', port: 6_000 },
      { kind: 'tcp', host: '127.0.0.1', port: 16_000 },
    ]);
  });

  it('asks the supervisor', () => {
    expect(
      targets(service({ endpoints: [], supervisor: { kind: 'systemd', unit: 'app.service', scope: 'system' } })),
    ).toEqual([{ kind: 'systemd', unit: 'app.service', scope: 'system' }]);
    expect(targets(service({ endpoints: [], supervisor: { kind: 'docker', container: 'abc', name: 'app' } }))).toEqual([
      { kind: 'container', container: 'abc' },
    ]);
  });

  it('finds a bare process again by what tells it apart, never by a secret in its arguments', () => {
    const recipe = {
      argv: ['node', '--api-key=hunter2', 'password=hunter2', 'server.js', '8003'],
      executable: '/usr/bin/node',
      cwd: '/srv',
      uid: 1,
      gid: 1,
    };

    const [target] = targets(service({ endpoints: [], supervisor: { kind: 'process', recipe } }));

    expect(target).toEqual({ kind: 'process', pid: 42, executable: '/usr/bin/node', argvContains: 'server.js' });
  });

  it('leaves ports that change with every start alone unless there is no other', () => {
    const fixed = { protocol: 'tcp' as const, address: '127.0.0.1', port: 8003 };
    const dynamic = { protocol: 'tcp' as const, address: '127.0.0.1', port: 40_001 };

    expect(targets(service({ endpoints: [dynamic, fixed], pids: [] }))).toEqual([
      { kind: 'tcp', host: '127.0.0.1', port: 8003 },
    ]);
    expect(targets(service({ endpoints: [dynamic], pids: [] }))).toEqual([
      { kind: 'tcp', host: '127.0.0.1', port: 40_001 },
    ]);
  });
});

describe('checks of the configuration', () => {
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
    const checks = checksOf(
      service(),
      settings(http('http://localhost:8003/health'), http('http://127.0.0.1:9999/')),
      none,
    );

    expect(checks.map(({ target, origin, every }) => [target.kind, origin, every])).toEqual([
      ['http', 'configured', '1s'],
      ['http', 'configured', '1s'],
      ['process', 'discovered', '60s'],
    ]);
  });

  it('keep their id while pid and password change, and have another for another address', () => {
    const id = (check: ConfiguredCheck): string | undefined =>
      checksOf(service({ endpoints: [], pids: [] }), settings(check), none)[0]?.id;

    expect(id({ kind: 'process', pid: 1, executable: '/x' })).toBe(id({ kind: 'process', pid: 2, executable: '/x' }));
    expect(id({ kind: 'redis', host: 'a', port: 1, password: { env: 'A' } })).toBe(
      id({ kind: 'redis', host: 'a', port: 1 }),
    );
    expect(id({ kind: 'redis', host: 'a', port: 1 })).not.toBe(id({ kind: 'redis', host: 'a', port: 2 }));
  });
});

describe('what is watched', () => {
  it('is what is recognized, supervised or configured, and not ignored', () => {
    expect(isWatched(service(), settings())).toBe(true);
    expect(isWatched(service({ product: 'unknown' }), settings())).toBe(false);
    expect(
      isWatched(
        service({ product: 'unknown', supervisor: { kind: 'systemd', unit: 'x.service', scope: 'system' } }),
        settings(),
      ),
    ).toBe(true);
    expect(isWatched(service({ product: 'unknown' }), settings({ kind: 'tcp', host: '127.0.0.1', port: 1 }))).toBe(
      true,
    );
    expect(isWatched(service({ adoption: 'ignored' }), settings())).toBe(false);
    expect(isWatched(service({ kind: 'volume' }), settings())).toBe(false);
  });
});
