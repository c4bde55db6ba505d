import { describe, expect, it } from 'vitest';
import type { HealthItem } from '../../core/health-report.ts';
import type { WatchedService } from '../../core/ports/health.ts';
import type { Resource } from '../../core/resource.ts';
import { aResource } from '../../testing/fakes/fake-inventory.ts';
import { type FakePorts, fakePorts } from '../../testing/fakes/fake-ports.ts';
import { performInMemory } from '../../testing/perform-in-memory.ts';
import dailyHealthCheck from './index.ts';

const NOW = new Date('2026-03-31T06:00:00Z');
const watched = (
  resource: Partial<Resource> & { readonly id: string },
  state: WatchedService['state'] = 'up',
  kinds: string[] = ['tcp'],
): WatchedService => ({
  resource: aResource({
    node: 'node_memory',
    endpoints: [{ protocol: 'tcp', address: '127.0.0.1', port: 8080 }],
    ...resource,
  }),
  state,
  message: '',
  uptimePercent: 99.94,
  kinds,
});

function machine(): FakePorts {
  const ports = fakePorts({ now: () => NOW });
  ports.docker.run('shop');
  return ports;
}
const check = async (ports: FakePorts, input = {}) =>
  await performInMemory(dailyHealthCheck, { ports, input, now: () => NOW });
const items = (run: Awaited<ReturnType<typeof check>>, group: HealthItem['group']) =>
  (run.output?.items ?? []).filter((item) => item.group === group).map(({ name, state }) => `${name} ${state}`);

describe('daily-health-check', () => {
  it('gives 100 to a machine on which all is well, and says what it looked at', async () => {
    const ports = machine();
    ports.health.watch(watched({ id: 's1', name: 'shop' }, 'up', ['http']));
    ports.health.watch(watched({ id: 's2', name: 'orders', product: 'postgresql' }, 'up', ['postgres']));
    ports.health.watch(watched({ id: 's3', name: 'legacy', product: 'mariadb' }, 'up', ['mysql']));
    ports.health.watch(watched({ id: 's4', name: 'qa-agent' }, 'up', ['http']));
    ports.health.watch(watched({ id: 's5', name: 'asleep' }, 'stopped'));
    const run = await check(ports);
    expect(run).toMatchObject({
      status: 'succeeded',
      output: { score: 100, failed: 0, warnings: 0, critical: false, deductions: [], at: NOW.toISOString() },
    });
    expect(items(run, 'api')).toEqual(['shop ok']);
    expect(items(run, 'core')).toEqual(['orders ok']);
    expect(items(run, 'database')).toEqual(['legacy ok']);
    expect(items(run, 'agents')).toEqual(['qa-agent ok']);
    expect(items(run, 'services')).toEqual(['asleep skipped']);
    expect(items(run, 'resources').length).toBeGreaterThanOrEqual(4);
    expect(run.checks.every(({ ok }) => ok)).toBe(true);
  });

  it('names what takes points away, the worst first, and is critical from five failures on', async () => {
    const ports = machine();
    ports.health.watch(watched({ id: 'c', name: 'checkout', critical: true }, 'down', ['http']));
    for (const name of ['a', 'b', 'd', 'e']) ports.health.watch(watched({ id: name, name }, 'down'));
    ports.health.watch(watched({ id: 'f', name: 'f' }, 'degraded'));
    const run = await check(ports);
    expect(run.output).toMatchObject({ failed: 5, warnings: 1, critical: true, score: 100 - 25 - 4 * 10 - 3 });
    expect(run.output?.deductions[0]).toEqual({
      points: 25,
      reason: expect.stringContaining('critical checkout: down'),
      fix: expect.stringContaining('steward incidents'),
    });
    expect((await check(ports, { criticalFailures: 6 })).output?.critical).toBe(false);
  });

  it('tells which certificates run out', async () => {
    const ports = machine();
    const certificate = (id: string, days: number): void =>
      void ports.inventory.put(
        aResource({
          id,
          kind: 'certificate',
          name: id,
          node: 'node_memory',
          labels: {
            'certificate.file': `/etc/ssl/${id}.pem`,
            'certificate.hosts': `${id}.example.org`,
            'certificate.expires': new Date(NOW.getTime() + days * 86_400_000).toISOString(),
          },
        }),
      );
    certificate('gone', -2);
    certificate('soon', 3);
    certificate('due', 20);
    certificate('fine', 200);
    ports.inventory.put(
      aResource({ id: 'odd', kind: 'certificate', node: 'node_memory', labels: { 'certificate.file': '/x.pem' } }),
    );
    const run = await check(ports);
    expect(items(run, 'certificates')).toEqual([
      '/etc/ssl/gone.pem (gone.example.org) failed',
      '/etc/ssl/soon.pem (soon.example.org) failed',
      '/etc/ssl/due.pem (due.example.org) warning',
      '/x.pem warning',
      '/etc/ssl/fine.pem (fine.example.org) ok',
    ]);
    expect(items(await check(ports, { renewalDays: 10 }), 'certificates')).toContain(
      '/etc/ssl/due.pem (due.example.org) ok',
    );
  });

  it('sees a full disk, short memory, large logs, and a model server without a model', async () => {
    const ports = machine();
    ports.host.change({
      memoryTotalBytes: 100e9,
      memoryAvailableBytes: 15e9,
      disks: [{ mount: '/', device: '/dev/vda1', totalBytes: 100e9, freeBytes: 1e9 }],
    });
    ports.health.addLogFile('/var/log/app.log', 5e9);
    ports.health.watch(
      watched({
        id: 'm',
        name: 'models',
        product: 'ollama',
        endpoints: [{ protocol: 'tcp', address: '127.0.0.1', port: 11_434 }],
      }),
    );
    ports.prober.answer(
      { kind: 'models', url: 'http://127.0.0.1:11434/', api: 'ollama', models: [], answers: 'none', insecure: false },
      { state: 'down', message: 'There is no model.' },
    );
    const run = await check(ports);
    expect(items(run, 'resources')).toEqual(expect.arrayContaining(['Disk / failed', 'Memory warning']));
    expect(items(run, 'logs')).toEqual(['/var/log/app.log warning', 'Log files ok']);
    expect(items(run, 'models')).toEqual(['models of models failed']);
  });

  it('misses Docker only where something needs it', async () => {
    const ports = machine();
    ports.docker.setAvailable(false);
    expect(items(await check(ports), 'docker')).toEqual(['Docker skipped']);
    ports.inventory.put(
      aResource({ id: 'w', node: 'node_memory', supervisor: { kind: 'docker', container: 'x', name: 'web' } }),
    );
    expect(items(await check(ports), 'docker')).toEqual(['Docker failed']);
  });
});
