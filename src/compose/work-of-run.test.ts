import { describe, expect, it } from 'vitest';
import { RedisSource } from '../core/backup/source.ts';
import type { Run } from '../core/run.ts';
import { aResource, fakeInventory } from '../testing/fakes/fake-inventory.ts';
import { workOfRun } from './work-of-run.ts';

const cache = aResource({
  id: 'svc_cache0001',
  name: 'redis-server',
  product: 'redis',
  node: 'here',
  endpoints: [{ protocol: 'tcp', address: '127.0.0.1', port: 6379 }],
});
const other = aResource({ id: 'svc_other0001', name: 'nginx', product: 'nginx', node: 'here' });
const shop = aResource({ id: 'svc_shop00001', name: 'shop', node: 'here' });
const source = RedisSource.parse({ kind: 'redis', name: 'cache', host: '127.0.0.1' });

describe('what a run works on', () => {
  const work = (run: Partial<Run>) =>
    workOfRun('run_1', {
      runs: { get: async () => ({ id: 'run_1', status: 'running', actor: { name: 'Ada' }, ...run }) as Run },
      inventory: {
        ...fakeInventory([cache, other, shop]),
        dependentsOf: async (id) => (id === cache.id ? [shop] : []),
      },
      sources: () => [source],
      migrations: () => [{ name: 'totals', source: 'cache' }],
      node: 'here',
    });

  it('is the database that is restored, and what needs it', async () => {
    expect(await work({ automation: 'restore-backup', input: { source: 'cache' } })).toEqual({
      resources: [cache.id, shop.id],
      reason: 'cache is restored from a copy (run_1)',
      actor: 'Ada',
    });
  });

  it('is the source of the migrations that are named, or of the only ones', async () => {
    for (const input of [{ name: 'totals' }, {}, { source: 'cache' }])
      expect((await work({ automation: 'migrate-database', input }))?.resources).toEqual([cache.id, shop.id]);
    expect(await work({ automation: 'migrate-database', input: { name: 'others' } })).toBeUndefined();
  });

  it('is nothing for whoever only reads, and for what is over', async () => {
    expect(await work({ automation: 'backup', input: { source: 'cache' } })).toBeUndefined();
    expect(
      await work({ automation: 'restore-backup', status: 'succeeded', input: { source: 'cache' } }),
    ).toBeUndefined();
  });
});
