import { describe, expect, it } from 'vitest';
import type { CheckTiming } from '../../core/check.ts';
import type { CheckSettings, ConfiguredCheck } from '../../core/default-checks.ts';
import type { Resource } from '../../core/resource.ts';
import { isWatched, namedChecks } from './checks.ts';

const timing: CheckTiming = { every: '60s', timeout: '5s', failures: 3, successes: 1, slow: '30s' };
const settings = (...checks: ConfiguredCheck[]): CheckSettings => ({ timing, checksFor: () => checks });
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
describe('checks', () => {
  it('keep their id while pid and password change, and have another for another address', () => {
    const id = (check: ConfiguredCheck): string | undefined =>
      namedChecks(service({ endpoints: [], pids: [] }), settings(check), none)[0]?.id;

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
