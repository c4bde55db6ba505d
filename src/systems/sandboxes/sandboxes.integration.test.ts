import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ClosedSandbox, OpenSandbox, SandboxUpkeep } from '../../core/ports/sandboxes.ts';
import type { System } from '../../core/system.ts';
import { defined } from '../../testing/defined.ts';
import { testDatabase, type TestDatabase } from '../../testing/database.ts';
import { memoryLog } from '../../testing/log.ts';
import { createSandboxKeeper } from './index.ts';

type Events = { events: { id: number; type: string; data: unknown } };
const AT = new Date('2026-03-01T00:00:00Z');
const SANDBOX: OpenSandbox = {
  id: 'sb_1',
  source: 'shop',
  kind: 'sqlite',
  copy: 'cp_1',
  snapshotAt: AT,
  openedAt: AT,
  until: AT,
  statement: 'It opens.',
  connect: 'sqlite3 /scratch/shop.db',
};

describe('the keeper of sandboxes', () => {
  let database: TestDatabase;
  let keeper: System;
  let due: ClosedSandbox[];
  let fails: boolean;
  const done: string[] = [];
  const log = memoryLog();

  beforeEach(async () => {
    database = await testDatabase({ migrations: [] });
    [due, fails] = [[], false];
    done.length = 0;
    const sandboxes: SandboxUpkeep = {
      list: () => [SANDBOX],
      async *closeDue() {
        yield* due;
        if (fails) throw new Error('it does not end');
      },
      closeAll: async () => void done.push('closed all'),
    };
    keeper = createSandboxKeeper({
      sandboxes,
      sweep: async ({ signal }) => {
        await new Promise((resolve) => signal.addEventListener('abort', resolve));
        done.push('sweep given up');
        return [];
      },
      store: database.store,
      node: { id: 'node_1' },
      log,
    });
  });
  afterEach(() => database.drop());

  const watch = () => defined(keeper.jobs[0]).run({ signal: new AbortController().signal, now: AT });
  const told = async () =>
    (
      await database.store.db.withTables<Events>().selectFrom('events').select(['type', 'data']).orderBy('id').execute()
    ).map(({ type, data }) => [type, (data as { why?: string }).why]);

  it('tells of each that ended without being asked to, also where another does not end', async () => {
    due = [
      { sandbox: SANDBOX, why: 'its time was up' },
      { sandbox: { ...SANDBOX, id: 'sb_2' }, why: 'its server ended' },
    ];
    fails = true;
    await expect(watch()).rejects.toThrow('it does not end');
    expect(await told()).toEqual([
      ['backup.sandbox-closed', 'its time was up'],
      ['backup.sandbox-closed', 'its server ended'],
    ]);
  });

  it('does not keep anybody waiting for what a dead one left, and closes all when it stops', async () => {
    await keeper.start();
    await keeper.stop();
    expect(done).toEqual(['sweep given up', 'closed all']);
  });
});
