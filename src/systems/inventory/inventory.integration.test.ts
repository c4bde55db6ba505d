import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { sql } from 'kysely';
import { systemActor } from '../../core/actor.ts';
import type { KnownResource, ResourceChange } from '../../core/inventory-writer.ts';
import type { Edge, Resource } from '../../core/resource.ts';
import { testDatabase, type TestDatabase } from '../../testing/database.ts';
import { aResource } from '../../testing/fakes/fake-inventory.ts';
import { createInventory } from './index.ts';
import { inventoryMigrations } from './tables.ts';

const AT = new Date('2026-11-20T08:00:00Z');
const LATER = new Date('2026-11-20T09:00:00Z');
const node = 'node_test';
let database: TestDatabase;

beforeAll(async () => {
  database = await testDatabase({ migrations: inventoryMigrations, now: () => AT });
});
afterAll(async () => await database.drop());
beforeEach(async () => {
  await sql`truncate resources, resource_edges, discovery_scans`.execute(database.store.db);
});

const open = () => createInventory({ store: database.store });
const known = (resource: Resource): KnownResource => ({
  resource,
  trace: { base: resource.identity },
  missedScans: 0,
  missingSince: undefined,
});
const change = (kind: ResourceChange['kind'], resource: Resource): ResourceChange => ({
  kind,
  known: known(resource),
  changed: kind === 'changed' ? ['version'] : [],
});
const edge = (from: string, to: string, kind: Edge['kind'] = 'connects-to', lastSeen = AT): Edge => ({
  from,
  to,
  kind,
  evidence: [{ source: 'connection', detail: 'seen', weight: 0.9 }],
  firstSeen: lastSeen,
  lastSeen,
});
const put = async (resources: Resource[], edges: Edge[] = []): Promise<void> =>
  await open().writer.apply({
    node,
    changes: resources.map((resource) => change('found', resource)),
    edges,
    forgetEdgesBefore: new Date(0),
    at: AT,
  });

/** From the table itself: what consumers see waits for every transaction on the server, other tests' included. */
async function eventsAfter(after: number) {
  const { rows } = await sql<{ type: string; subject: string; data: Record<string, unknown> }>`
    select type, subject_id as subject, data from events where id > ${after} order by id`.execute(database.store.db);
  return rows;
}
async function lastEvent(): Promise<number> {
  const { rows } = await sql<{ id: number }>`select coalesce(max(id), 0) as id from events`.execute(database.store.db);
  return rows[0]?.id ?? 0;
}

describe('reading', () => {
  it('gives back what was written, tombstones only on request', async () => {
    const living = aResource({
      id: 'svc_1',
      name: 'shop',
      product: 'node-app',
      version: '2.4.1',
      supervisor: { kind: 'systemd', unit: 'shop.service', scope: 'system' },
      endpoints: [{ protocol: 'tcp', address: '127.0.0.1', port: 8000 }],
    });
    const dead = aResource({ id: 'svc_2', name: 'old', state: 'gone', goneSince: AT });
    await put([living, dead]);
    const { inventory } = open();

    expect(await inventory.get('svc_1')).toEqual(living);
    expect(await inventory.find()).toEqual([living]);
    expect(await inventory.find({ state: 'gone' })).toEqual([dead]);
    expect((await inventory.find({ state: 'all', kind: 'service', node })).map(({ id }) => id)).toEqual([
      'svc_2',
      'svc_1',
    ]);
    expect(await inventory.find({ product: 'redis' })).toEqual([]);
  });

  it('resolves id, name and identity, prefers the living, and refuses to choose between two', async () => {
    await put([
      aResource({ id: 'svc_1', name: 'cache', identity: 'process:a' }),
      aResource({ id: 'svc_2', name: 'cache', identity: 'process:b', state: 'gone' }),
      aResource({ id: 'svc_3', name: 'web', identity: 'process:c' }),
      aResource({ id: 'svc_4', name: 'web', identity: 'process:d' }),
    ]);
    const { inventory } = open();

    expect((await inventory.resolve('svc_2'))?.id).toBe('svc_2');
    expect((await inventory.resolve('cache'))?.id).toBe('svc_1');
    expect((await inventory.resolve('process:d'))?.id).toBe('svc_4');
    expect(await inventory.resolve('nobody')).toBeUndefined();
    await expect(inventory.resolve('web')).rejects.toMatchObject({
      code: 'CONFLICT',
      message: expect.stringContaining('svc_3'),
    });
  });

  it('follows dependencies through cycles, nearest first, and not over a merely shared network', async () => {
    await put(
      ['proxy', 'app', 'db', 'cache', 'neighbor'].map((id) => aResource({ id })),
      [
        edge('proxy', 'app'),
        edge('app', 'db'),
        edge('app', 'cache', 'configured'),
        edge('cache', 'app'),
        edge('neighbor', 'db', 'network'),
      ],
    );
    const { inventory } = open();
    const ids = (resources: Resource[]): string[] => resources.map(({ id }) => id);

    expect(ids(await inventory.dependenciesOf('proxy'))).toEqual(['app', 'cache', 'db']);
    expect(ids(await inventory.dependentsOf('db'))).toEqual(['app', 'cache', 'proxy']);
  });
});

describe('writing', () => {
  it('tells of what was found, changed, gone and returned, in the transaction that did it', async () => {
    const after = await lastEvent();
    const service = aResource({ id: 'svc_1', name: 'cache' });
    const { writer } = open();

    for (const kind of ['found', 'seen', 'refreshed', 'changed', 'missing', 'gone', 'returned'] as const) {
      await writer.apply({ node, changes: [change(kind, service)], edges: [], forgetEdgesBefore: AT, at: AT });
    }

    const events = await eventsAfter(after);
    expect(events.map(({ type }) => type)).toEqual([
      'resource.found',
      'resource.changed',
      'resource.gone',
      'resource.returned',
    ]);
    expect(events[1]).toMatchObject({
      subject: 'svc_1',
      data: { name: 'cache', changed: ['version'] },
    });
  });

  it('writes nothing of a scan of which one part cannot be written', async () => {
    const after = await lastEvent();

    const failing = open().writer.apply({
      node,
      changes: [change('found', aResource({ id: 'svc_1' }))],
      edges: [edge('svc_1', 'nobody')],
      forgetEdgesBefore: AT,
      at: AT,
    });

    await expect(failing).rejects.toThrow(/nobody/);
    expect(await open().inventory.find({ state: 'all' })).toEqual([]);
    expect(await eventsAfter(after)).toEqual([]);
  });

  it('keeps the first sight of an edge, renews the last, and forgets edges nobody saw for long', async () => {
    await put(
      ['app', 'db', 'cache'].map((id) => aResource({ id })),
      [edge('app', 'db'), edge('app', 'cache')],
    );
    const { writer, inventory } = open();

    await writer.seeEdges([edge('app', 'db', 'connects-to', LATER)]);
    await writer.apply({ node, changes: [], edges: [], forgetEdgesBefore: LATER, at: LATER });

    expect(await inventory.edges()).toMatchObject([{ from: 'app', to: 'db', firstSeen: AT, lastSeen: LATER }]);
  });

  it("leaves a person's decision alone when the next scan writes the service", async () => {
    await put([aResource({ id: 'svc_1' })]);
    const { writer, inventory } = open();
    const after = await lastEvent();

    expect(await writer.setAdoption('svc_1', 'ignored', systemActor('test'), AT)).toMatchObject({
      adoption: 'ignored',
    });
    await writer.setAdoption('svc_1', 'ignored', systemActor('test'), AT);
    await writer.apply({
      node,
      changes: [change('changed', aResource({ id: 'svc_1', version: '2', adoption: 'adopted' }))],
      edges: [],
      forgetEdgesBefore: AT,
      at: AT,
    });

    expect(await inventory.get('svc_1')).toMatchObject({ version: '2', adoption: 'ignored' });
    expect((await eventsAfter(after)).map(({ data }) => data['changed'])).toEqual([['adoption'], ['version']]);
    expect(await writer.setAdoption('nobody', 'adopted', systemActor('test'), AT)).toBeUndefined();
  });
});
