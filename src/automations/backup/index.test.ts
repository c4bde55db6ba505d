import { describe, expect, it } from 'vitest';
import { StewardError } from '../../core/errors.ts';
import { fakePorts } from '../../testing/fakes/fake-ports.ts';
import { performInMemory } from '../../testing/perform-in-memory.ts';
import backup from './index.ts';

function world() {
  let ticks = Date.parse('2026-03-01T03:00:00Z');
  const now = (): Date => new Date((ticks += 10));
  const ports = fakePorts({ now });
  ports.backups.addRepository('local');
  ports.backups.addRepository('remote');
  ports.backups.addSource({ kind: 'sqlite', name: 'shop', path: '/srv/shop.db' }, 'orders');
  ports.backups.addSource({ kind: 'files', name: 'etc', paths: ['/etc'], repositories: ['remote'] }, 'hosts');
  const run = (input: object = {}) => performInMemory(backup, { ports, now, input });
  return { ports, run };
}

describe('backup', () => {
  it('copies each source to each of its repositories, and writes down what it made', async () => {
    const { ports, run } = world();
    const { status, output } = await run({});
    expect(status).toBe('succeeded');
    expect(ports.backups.held().map(({ repository, data }) => `${data} in ${repository}`)).toEqual([
      'orders in local',
      'orders in remote',
      'hosts in remote',
    ]);
    expect(ports.copies.all().map((copy) => [copy.source, copy.repository, copy.status, copy.provenAt])).toEqual([
      ['shop', 'local', 'complete', null],
      ['shop', 'remote', 'complete', null],
      ['etc', 'remote', 'complete', null],
    ]);
    expect(output?.copies).toHaveLength(3);
    expect(output?.failed).toEqual([]);
  });

  it('renews the lock of a bucket after each copy to it, also of one that failed, and says what was refused', async () => {
    const { ports, run } = world();
    ports.backups.addRepository('vault', { objectLock: true });
    const asked: string[] = [];
    const until = '2026-03-31T03:00:00.000Z';
    ports.backups.renewLock = async (repository) => {
      asked.push(repository);
      return { lock: { state: 'locked', until, message: 'all of it' }, renewed: asked.length === 1 ? 7 : 0 };
    };
    const { output, plan } = await run({ sources: ['shop'] });
    expect(
      plan.map(({ id, ...change }) => [id, String((change as { reason?: string }).reason).includes('locked')]),
    ).toEqual([
      ['shop@local', false],
      ['shop@remote', false],
      ['shop@vault', true],
    ]);
    expect(output?.locks).toEqual([{ repository: 'vault', until, renewed: 7 }]);
    ports.backups.breakSource('shop', 'copy');
    await run({ sources: ['shop'] });
    expect(asked).toEqual(['vault', 'vault']);

    const shop = async () => (await run({ sources: ['shop'] })).output;
    ports.backups.renewLock = async () => ({
      lock: { state: 'locked', until, message: 'it is not renewed' },
      renewed: 0,
      refused: 'AccessDenied',
    });
    expect((await shop())?.locks).toEqual([{ repository: 'vault', until, renewed: 0, problem: 'it is not renewed' }]);
    ports.backups.renewLock = () => Promise.reject(new StewardError('UNAVAILABLE', 'Nobody answers.'));
    expect((await shop())?.locks).toEqual([{ repository: 'vault', renewed: 0, problem: 'Nobody answers.' }]);
  });

  it('takes what somebody asks for: databases, kinds by any name, sources, repositories', async () => {
    const planned = async (input: object): Promise<string[]> =>
      (await world().run(input as never)).plan.map(({ id }) => id);
    expect(await planned({ scope: 'databases' })).toEqual(['shop@local', 'shop@remote']);
    expect(await planned({ targets: ['configuration'] })).toEqual(['etc@remote']);
    expect(await planned({ sources: ['shop'], repositories: ['local'] })).toEqual(['shop@local']);
  });

  it('copies the others where one cannot be read, and has failed all the same', async () => {
    const { ports, run } = world();
    ports.backups.breakSource('shop', 'examine');
    const { status, output, checks, plan } = await run({});
    expect(status).toBe('failed');
    expect(plan.map(({ id }) => id)).toEqual(['shop@local', 'shop@remote', 'etc@remote']);
    expect(String((plan[0] as { readonly reason?: string } | undefined)?.reason)).toContain(
      'It cannot be read now: shop does not answer',
    );
    expect(checks.filter(({ ok }) => !ok).map(({ name }) => name)).toEqual([
      'A whole copy of shop is in local',
      'A whole copy of shop is in remote',
    ]);
    expect(
      ports.copies.all().map(({ source, repository, status: of, error }) => [source, repository, of, error]),
    ).toEqual([
      ['shop', 'local', 'failed', 'shop does not answer Start it.'],
      ['shop', 'remote', 'failed', 'shop does not answer Start it.'],
      ['etc', 'remote', 'complete', null],
    ]);
    expect(output?.failed.map(({ source, repository }) => `${source}@${repository}`)).toEqual([
      'shop@local',
      'shop@remote',
    ]);
    expect(ports.backups.held()).toHaveLength(1);
  });

  it('copies all the same what could not be read when it was planned and can be now', async () => {
    const { ports, run } = world();
    const { examine } = ports.backups;
    let asked = 0;
    ports.backups.examine = async (source, doing) => {
      asked += 1;
      if (asked === 1) throw new StewardError('UNAVAILABLE', 'It is starting.');
      return await examine(source, doing);
    };
    expect((await run({ sources: ['shop'] })).status).toBe('succeeded');
    expect(ports.copies.all().map(({ status }) => status)).toEqual(['complete', 'complete']);
  });

  it('keeps the good copies where one breaks off, and writes down which did', async () => {
    const { ports, run } = world();
    ports.backups.breakSource('etc', 'copy');
    const { status, error } = await run({});
    expect(status).toBe('failed');
    expect(error?.message).not.toContain('put back');
    expect(ports.copies.all().map((copy) => `${copy.source} ${copy.status}`)).toEqual([
      'shop complete',
      'shop complete',
      'etc failed',
    ]);
    expect(ports.copies.all().at(-1)?.error).toContain('went away');
    expect(ports.backups.held()).toHaveLength(2);
  });

  it('has nothing to do, and that is no failure, where nobody names a database', async () => {
    const { ports, run } = world();
    (ports.backups.sources() as unknown[]).splice(0);
    expect(await run({ scope: 'databases' })).toMatchObject({ status: 'succeeded', plan: [] });
  });

  it('says what is wrong where there is nothing to do, or no such source', async () => {
    const { ports, run } = world();
    expect((await run({ sources: ['nothing'] })).error).toMatchObject({ code: 'NOT_FOUND' });
    expect((await run({ targets: ['oracle'] })).error).toMatchObject({ code: 'INPUT_INVALID' });
    for (const source of ['shop', 'etc']) ports.backups.breakSource(source, 'examine');
    expect((await run({})).status).toBe('failed');
    expect(ports.copies.all().map(({ status }) => status)).toEqual(['failed', 'failed', 'failed']);
  });
});
