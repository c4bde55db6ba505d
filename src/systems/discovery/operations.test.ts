import { describe, expect, it } from 'vitest';
import type { Call } from '../../core/operation.ts';
import type { InventoryWriter, ScanRecord } from '../../core/inventory-writer.ts';
import type { Monitor } from '../../core/monitor.ts';
import { systemActor } from '../../core/actor.ts';
import { aResource, fakeInventory } from '../../testing/fakes/fake-inventory.ts';
import { discoveryOperations } from './operations.ts';

const AT = new Date('2026-11-20T08:00:00Z');
const call: Call = { actor: systemActor('test'), now: AT, from: 'local', requestId: 'r' };

function house() {
  const recipe = { argv: ['app', '--password', 'hunter2'], executable: '/usr/bin/app', cwd: '/', uid: 0, gid: 0 };
  const inventory = fakeInventory([
    aResource({ id: 'svc_app', name: 'shop', product: 'node-app', supervisor: { kind: 'process', recipe } }),
    aResource({
      id: 'svc_db',
      name: 'orders',
      product: 'postgresql',
      version: '15.2',
      endpoints: [{ protocol: 'tcp', address: '::', port: 5432 }],
      supervisor: { kind: 'systemd', unit: 'postgresql@15-main.service', scope: 'system' },
      evidence: [{ source: 'http', detail: 'postgres://shop:hunter2@db/orders', weight: 0.1 }],
    }),
    aResource({ id: 'svc_old', name: 'old', state: 'gone', goneSince: AT }),
  ]);
  inventory.link('svc_app', 'svc_db');
  inventory.link('svc_old', 'svc_db');
  const scans: ScanRecord[] = [3, 2, 1].map((minute) => ({
    id: `scan_${minute}`,
    node: 'node_test',
    startedAt: new Date(AT.getTime() + minute * 60_000),
    finishedAt: AT,
    trigger: 'schedule',
    services: 2,
    found: 0,
    changed: 0,
    returned: 0,
    gone: 0,
    blind: {},
    durationMs: 40,
  }));
  const writer: InventoryWriter = {
    known: async () => [],
    apply: async () => undefined,
    seeEdges: async () => undefined,
    scans: async (limit, before) =>
      scans.filter(({ startedAt }) => before === undefined || startedAt < new Date(before)).slice(0, limit),
    scan: async () => undefined,
    latestScans: async () => [],
    scansBetween: async () => [],
    async setAdoption(id, adoption) {
      const resource = await inventory.get(id);
      return resource && inventory.put({ ...resource, adoption });
    },
  };
  const status = { resourceId: 'svc_db', state: 'up', since: AT, consecutiveFailures: 0, checks: [] } as const;
  const monitor: Monitor = {
    status: async (id) => (id === 'svc_db' ? { ...status, checks: [] } : undefined),
    all: async () => [{ ...status, checks: [] }],
    probeNow: async () => undefined,
  };
  const operations = discoveryOperations({
    inventory,
    writer,
    monitor: () => monitor,
    kept: async (id) =>
      id === 'svc_app'
        ? {
            origin: 'captured',
            shown: { ...recipe, argv: ['app', '--password', '[redacted]'] },
            startedAt: AT,
            capturedAt: AT,
            variables: ['DB_URL'],
            missing: ['TZ'],
            fingerprint: 'f',
          }
        : undefined,
    discovery: { scan: async (trigger) => ({ ...(scans[0] as ScanRecord), trigger }) },
  });
  return {
    inventory,
    operations,
    /** As a surface does it: what goes in and what comes out pass the schemas. */
    async ask(name: string, input: unknown = {}): Promise<unknown> {
      const operation = operations.find((candidate) => candidate.name === name);
      if (!operation) throw new Error(`no operation ${name}`);
      const output: unknown = operation.output.parse(await operation.handle(operation.input.parse(input), call));
      return output;
    },
  };
}

describe('one service', () => {
  it('shows what is kept to start it again: names of variables, and no secret', async () => {
    const { ask } = house();

    expect(await ask('service-get', { id: 'shop' })).toMatchObject({
      recipe: {
        origin: 'captured',
        arguments: ['app', '--password', '[redacted]'],
        startedAt: AT,
        variables: ['DB_URL'],
        missing: ['TZ'],
      },
    });
    expect(await ask('service-get', { id: 'orders' })).not.toHaveProperty('recipe.origin');
  });
});

describe('services', () => {
  it('lists what is there with its state, newest word of monitoring included, tombstones on request', async () => {
    const { ask } = house();

    expect(await ask('services')).toMatchObject([
      { id: 'svc_app', state: 'pending', supervisor: 'process' },
      {
        id: 'svc_db',
        product: 'postgresql',
        version: '15.2',
        endpoint: '[::]:5432',
        state: 'up',
        since: AT,
        supervisor: 'systemd',
        supervisorName: 'postgresql@15-main.service',
        present: true,
      },
    ]);
    expect(await ask('services', { product: 'postgresql' })).toHaveLength(1);
    expect(await ask('services', { gone: 'true' })).toHaveLength(3);
  });

  it('shows no secret of a recipe or of what a server said', async () => {
    const { ask } = house();

    expect(JSON.stringify([await ask('services'), await ask('service-get', { id: 'svc_app' })])).not.toContain(
      'hunter2',
    );
  });

  it('shows one with what it needs and what needs it, by id or name', async () => {
    const { ask } = house();

    expect(await ask('service-get', { id: 'shop' })).toMatchObject({
      id: 'svc_app',
      dependsOn: ['orders'],
      neededBy: [],
    });
    await expect(ask('service-get', { id: 'nobody' })).rejects.toMatchObject({
      code: 'NOT_FOUND',
      hint: expect.any(String),
    });
  });

  it('are adopted and ignored by a person', async () => {
    const { ask, inventory } = house();

    expect(await ask('ignore-service', { id: 'orders' })).toMatchObject({ id: 'svc_db', adoption: 'ignored' });
    expect(await inventory.get('svc_db')).toMatchObject({ adoption: 'ignored' });
    expect(await ask('adopt-service', { id: 'orders' })).toMatchObject({ adoption: 'adopted' });
  });
});

it('draws edges only between services that are there', async () => {
  expect(await house().ask('topology')).toMatchObject({
    nodes: [{ id: 'svc_app' }, { id: 'svc_db', state: 'up' }],
    edges: [{ from: 'svc_app', to: 'svc_db', fromName: 'shop', toName: 'orders', kind: 'connects-to' }],
  });
});

describe('scans', () => {
  it('start on request', async () => {
    expect(await house().ask('discovery-scan')).toMatchObject({ trigger: 'request', durationMs: 40 });
  });

  it('are paged without gap or repetition, and a cursor of nobody is refused', async () => {
    const { ask } = house();
    const first = (await ask('discovery-history', { limit: 2 })) as { items: { id: string }[]; next?: string };
    const second = (await ask('discovery-history', { limit: 2, cursor: first.next })) as typeof first;

    expect([first, second].map(({ items }) => items.map(({ id }) => id))).toEqual([['scan_3', 'scan_2'], ['scan_1']]);
    expect(second.next).toBeUndefined();
    await expect(ask('discovery-history', { cursor: 'x' })).rejects.toMatchObject({ code: 'INPUT_INVALID' });
  });
});

it('answers at the addresses of the mission', () => {
  const paths = new Map(house().operations.map(({ name, kind, paths: other }) => [name, [kind, ...(other ?? [])]]));

  expect(paths.get('services')).toEqual(['query', '/api/v1/automation/discovery/services']);
  expect(paths.get('discovery-history')).toEqual(['query', '/api/v1/automation/discovery/history']);
  expect(paths.get('discovery-scan')).toEqual(['command', '/api/v1/automation/discovery/scan']);
  expect(paths.get('topology')).toEqual(['query', '/api/v1/automation/registry/topology']);
});
