import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemActor } from '../../core/actor.ts';
import type { ChangeEntry } from '../../core/change-log.ts';
import type { EventDraft } from '../../core/event.ts';
import { testDatabase, type TestDatabase } from '../../testing/database.ts';
import { defined } from '../../testing/defined.ts';
import { aResource, fakeInventory } from '../../testing/fakes/fake-inventory.ts';
import { createChanges } from './index.ts';

const shop = aResource({ id: 'svc_shop00001', name: 'shop' });
const ada = { kind: 'user', id: 'usr_1', name: 'ada', role: 'operator' } as const;

describe('what changed', () => {
  let database: TestDatabase;
  let packages: { at: Date; name: string; before?: string; after?: string }[] = [];
  const began = new Date(Date.now() - 1_000);

  beforeAll(async () => {
    database = await testDatabase();
    const tell = async (draft: EventDraft): Promise<void> =>
      void (await database.store.db.transaction().execute((trx) => database.store.events.append(trx, draft)));
    await tell({
      type: 'resource.changed',
      subject: { kind: 'resource', id: shop.id },
      data: { name: 'shop', changed: ['version'] },
    });
    await tell({ type: 'check.failed', subject: { kind: 'resource', id: shop.id }, data: {} });
    const run = { runId: 'run_1', automation: 'restart-service', status: 'succeeded', dryRun: false };
    await tell({ type: 'run.finished', data: { ...run, target: { id: shop.id, name: 'shop' } }, actor: ada });
    await tell({ type: 'run.finished', data: { ...run, dryRun: true }, actor: ada });
    await tell({
      type: 'service.down',
      subject: { kind: 'resource', id: 'svc_other0001' },
      data: { message: 'refused' },
    });
    await tell({ type: 'mode.changed', data: { mode: 'stopped', by: 'ada', reason: 'disks' }, actor: ada });
    await tell({ type: 'config.loaded', data: { changed: ['services', 'alerts'] } });
  }, 60_000);
  afterAll(() => database?.drop());

  const ask = async (input: object = {}): Promise<ChangeEntry[]> => {
    const changes = createChanges({
      store: database.store,
      inventory: fakeInventory([shop]),
      packages: async () => packages,
      node: { id: 'node_1', name: 'n1' },
    });
    const [operation] = changes.operations;
    const call = { actor: systemActor('test'), now: new Date(), from: 'local', requestId: 'r' };
    const answer = await defined(operation).handle(defined(operation).input.parse(input), call);
    return (answer as { items: ChangeEntry[] }).items;
  };

  it('is one timeline, the newest first, of what was different afterwards and who did it', async () => {
    expect((await ask()).map(({ title, by }) => (by === undefined ? title : `${title} (${by})`))).toEqual([
      'The configuration of Steward changed: services, alerts',
      'The mode is stopped: disks (ada)',
      'svc_other0001 is down: refused',
      'restart-service on shop succeeded (ada)',
      'shop changed: version',
    ]);
    expect((await ask({ limit: 1 }))[0]?.title).toMatch(/^The configuration/);
    expect(await ask({ until: began.toISOString() })).toEqual([]);
  });

  it('is of one service and of what is about no single one', async () => {
    const titles = (await ask({ service: 'shop' })).map(({ title }) => title);
    expect(titles).not.toContain('svc_other0001 is down: refused');
    expect(titles).toContain('The mode is stopped: disks');
    expect((await ask({ service: 'shop' })).find(({ runId }) => runId === 'run_1')?.resourceId).toBe(shop.id);
    await expect(ask({ service: 'nobody' })).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  it('has what was installed, and of a great upgrade the last and how many more', async () => {
    packages = [{ at: began, name: 'libssl3', before: '3.0.15', after: '3.0.16' }];
    expect((await ask()).at(-1)?.title).toBe('libssl3 went from 3.0.15 to 3.0.16');
    packages = Array.from({ length: 400 }, (_, index) => ({ at: began, name: `lib${index}`, after: '2' }));
    const titles = (await ask()).filter(({ kind }) => kind === 'package').map(({ title }) => title);
    expect(titles).toHaveLength(21);
    expect(titles).toContain('380 more packages changed on n1');
    packages = [];
  });
});
