import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { DBOS } from '@dbos-inc/dbos-sdk';
import { DBOSExecutor } from '@dbos-inc/dbos-sdk/internal/dbos-executor';
import { dbRetryConfig } from '@dbos-inc/dbos-sdk/internal/utils';
import { wfQueueRunner } from '@dbos-inc/dbos-sdk/internal/wfqueue';
import { workflowTimeoutConfig } from '@dbos-inc/dbos-sdk/internal/workflow_management';
import { sql } from 'kysely';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type TestDatabase, testDatabase } from '../testing/database.ts';
import { memoryLog } from '../testing/log.ts';
import { createDurableEngine, durable, type DurableEngine } from './dbos.ts';

// What Steward knows of the inside of DBOS. Each of these fails where an update moves it: look at durable-internals.ts then.
describe('the inside of DBOS', () => {
  let database: TestDatabase;
  let engine: DurableEngine;
  const log: string[] = [];
  const leaving = new AbortController();
  let wait: Promise<void> = Promise.resolve();
  let reached = Promise.withResolvers<void>();

  beforeAll(async () => {
    database = await testDatabase();
    const chain = async (id: string, epoch: number): Promise<void> => {
      for (const name of ['one', 'two']) {
        await durable.step(name, async () => {
          log.push(`${id} ${name} ${epoch}`);
          if (name === 'two') {
            reached.resolve();
            await wait;
          }
          return name;
        });
      }
      log.push(`${id} ends ${epoch}`);
    };
    engine = createDurableEngine({
      store: database.store,
      log: memoryLog(),
      nodeId: 'inside',
      given: { plan: chain, apply: chain, leaving: leaving.signal },
    });
    await engine.launch();
  }, 60_000);
  afterAll(async () => {
    leaving.abort();
    await engine?.shutdown();
    await database?.drop();
  });

  it('is that of the version that is pinned', () => {
    const path = createRequire(import.meta.url).resolve('@dbos-inc/dbos-sdk');
    const manifest = JSON.parse(readFileSync(`${path.split('/dist/')[0]}/package.json`, 'utf8')) as { version: string };
    expect(manifest.version).toBe('5.3.0');
  });

  it('looks into no queue, and retries soon', () => {
    expect((wfQueueRunner as unknown as { isRunning: boolean }).isRunning).toBe(false);
    expect(dbRetryConfig.maxBackoffSec).toBe(2);
    expect(workflowTimeoutConfig.pollingIntervalMs).toBeGreaterThan(60_000);
    expect(DBOSExecutor.globalInstance?.dispatchDequeuedWorkflows).toBeTypeOf('function');
  });

  it('has the columns that say whose a workflow is', async () => {
    const { rows } = await sql<{ column: string }>`select column_name as "column" from information_schema.columns
      where table_schema = 'dbos' and table_name = 'workflow_status'`.execute(database.store.db);
    expect(rows.map(({ column }) => column)).toEqual(
      expect.arrayContaining([
        'workflow_uuid',
        'status',
        'executor_id',
        'owner_xid',
        'queue_name',
        'application_version',
        'recovery_attempts',
        'started_at_epoch_ms',
        'updated_at',
      ]),
    );
  });

  it('starts a workflow at once, once, in no queue', async () => {
    await engine.start('plan', 'first', { workflowId: 'w:first', epoch: 0 });
    await engine.start('plan', 'first', { workflowId: 'w:first', epoch: 0 });
    await expect
      .poll(() => log.filter((line) => line.startsWith('first')))
      .toEqual(['first one 0', 'first two 0', 'first ends 0']);
    await expect.poll(async () => (await DBOS.getWorkflowStatus('w:first'))?.status).toBe('SUCCESS');
    expect((await DBOS.getWorkflowStatus('w:first'))?.queueName).toBeUndefined();
  });

  it('asks seven questions for a step, of which four reach the database, in three messages', async () => {
    const { query } = pg.Client.prototype;
    const asked: string[] = [];
    pg.Client.prototype.query = function (this: pg.Client, ...args: [string]) {
      if (typeof args[0] === 'string' && /BEGIN|COMMIT|dbos/.test(args[0])) asked.push(args[0].trim().slice(0, 60));
      return (query as (...all: unknown[]) => unknown).apply(this, args);
    } as typeof query;
    try {
      await engine.start('plan', 'counted', { workflowId: 'w:counted', epoch: 0 });
      await expect.poll(() => log).toContain('counted ends 0');
      await expect.poll(() => asked.filter((text) => text.startsWith('COMMIT')).length).toBe(4);
    } finally {
      pg.Client.prototype.query = query;
    }
    // Two steps: the token is compared, the checkpoint is written.
    expect(
      asked.filter((text) => text.startsWith('BEGIN ISOLATION LEVEL READ COMMITTED; SELECT owner_xid')),
    ).toHaveLength(2);
    expect(asked.filter((text) => /^SELECT (status|output)/.test(text))).toEqual([]);
  });

  it('lets a claimed workflow go on at its last checkpoint, and whoever had it record nothing more', async () => {
    const hold = Promise.withResolvers<void>();
    wait = hold.promise;
    reached = Promise.withResolvers();
    await engine.start('plan', 'taken', { workflowId: 'w:taken', epoch: 0 });
    await reached.promise;
    const claimed = await database.store.db
      .transaction()
      .execute((trx) => engine.claim(trx, ['w:taken', 'w:first', 'w:none']));
    // Neither what has ended nor what does not exist.
    expect(claimed.ids).toEqual(['w:taken']);
    reached = Promise.withResolvers();
    await engine.goOn(claimed, () => 1);
    await reached.promise;
    hold.resolve();
    await expect.poll(() => log.filter((line) => line.startsWith('taken'))).toContain('taken ends 1');
    await expect.poll(async () => (await DBOS.getWorkflowStatus('w:taken'))?.status).toBe('SUCCESS');
    // The first step was not run again; the old execution never came to its end.
    expect(log.filter((line) => line.startsWith('taken'))).toEqual([
      'taken one 0',
      'taken two 0',
      'taken two 1',
      'taken ends 1',
    ]);
  });
});
