import { execFileSync, spawnSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { testDatabase, type TestDatabase } from '../../testing/database.ts';
import { memoryLog } from '../../testing/log.ts';
import { createLedger, type Ledger } from '../incidents/ledger.ts';
import { incidentsMigrations } from '../incidents/tables.ts';
import { type Front, startFront } from './front.ts';
import { createJournalWriter } from './journal-writer.ts';
import { openJournal } from './journal.ts';
import { createMover, type Mover } from './mover.ts';
import { type Delivery, encode } from './record.ts';
import { webhookMigrations, type WebhookTables } from './tables.ts';
import { webhookTrouble } from './trouble.ts';
import { createWaiting } from './waiting.ts';
import { startWatch } from './watch.ts';

const THREAD = new URL('../../compose/webhooks-thread.ts', import.meta.url);
const SETTINGS = { types: {}, place: undefined, trustedProxies: [], journalBytes: 64 * 1024 * 1024 };
const TIMES = { everyMs: 50, refusedMs: 300, stuckMs: 300 };

describe('what is wrong with webhooks for long', () => {
  let folder: string;
  let database: TestDatabase;
  let ledger: Ledger;
  let ends: (() => unknown)[];
  const log = memoryLog();

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'steward-watch-'));
    database = await testDatabase({ migrations: [...incidentsMigrations, ...webhookMigrations] });
    ledger = createLedger({ store: database.store, now: () => new Date() });
    ends = [];
  });
  afterEach(async () => {
    for (const end of ends.toReversed()) await end();
    await database.drop();
    await rm(folder, { recursive: true, force: true });
  });

  const trouble = (name: 'webhooks.not-kept' | 'webhooks.stuck' | 'webhooks.damaged') =>
    webhookTrouble(name, { incidents: ledger, node: { id: 'one' }, log });
  const until = (check: () => unknown): Promise<unknown> => vi.waitFor(check, { timeout: 20_000, interval: 30 });
  const incident = (symptom: string) => ledger.byFingerprint(`${symptom}:one`);
  const evidence = async (symptom: string): Promise<string> => {
    const { rows } = await database.store.pool.query<{ evidence: unknown }>(
      'select evidence from incidents where symptom = $1',
      [symptom],
    );
    return JSON.stringify(rows);
  };
  const watch = (front: Front | undefined, mover: Pick<Mover, 'stall'>): void => {
    const stop = startWatch({
      folder,
      counts: async () => await front?.ask('counts', null),
      stall: mover.stall,
      notKept: trouble('webhooks.not-kept'),
      stuck: trouble('webhooks.stuck'),
      damaged: trouble('webhooks.damaged'),
      mayHaveLost: () => false,
      keepMs: () => 30 * 86_400_000,
      log,
      times: TIMES,
    });
    ends.push(stop);
  };

  it.skipIf(!mayMount())(
    'is a disk that is full: an incident while all are refused, whether or not they come again',
    async () => {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', folder]);
      ends.push(() => spawnSync('umount', ['-l', folder]));
      const journal = await openJournal({ folder, onRead: () => undefined, onFreed: () => undefined, log });
      const front = startFront({
        script: THREAD,
        data: { folder, first: journal.next, before: 0, settings: SETTINGS },
        onWrote: journal.wrote,
        onSealed: journal.sealed,
        onLost: () => undefined,
        log,
        times: { answerMs: 10_000, beginMs: 0, endMs: 2_000 },
      });
      ends.push(() => front.end());
      await front.ask('settings', SETTINGS);
      watch(front, { stall: () => undefined });
      const send = async (): Promise<number> => (await front.ask('keep', delivery('one'))).status;
      expect(await send()).toBe(202);
      const ballast = join(folder, 'ballast');
      fill(ballast);

      expect(await send()).toBe(503);
      // Nobody comes again, and it is still full.
      await until(async () => expect(await incident('webhooks.not-kept')).toMatchObject({ status: 'open' }));
      expect(await evidence('webhooks.not-kept')).toMatch(/ENOSPC|the disk is full/);
      await sleep(500);
      expect(await incident('webhooks.not-kept')).toMatchObject({ status: 'open', occurrences: 1 });

      await rm(ballast);
      await until(async () => expect(await incident('webhooks.not-kept')).toMatchObject({ status: 'resolved' }));
      expect(await send()).toBe(202);
      expect((await readdir(folder)).filter((name) => name === 'probe')).toEqual([]);
    },
    60_000,
  );

  it('is a file that was kept aside, until it is gone', async () => {
    await writeFile(join(folder, '0000000001.journal.damaged'), 'x');
    watch(undefined, { stall: () => undefined });
    await until(async () =>
      expect(await incident('webhooks.damaged')).toMatchObject({ status: 'open', severity: 'warning' }),
    );
    expect(await evidence('webhooks.damaged')).toContain('0000000001.journal.damaged (1 bytes');
    await writeFile(join(folder, '0000000002.journal.damaged'), 'y');
    await until(async () => expect(await incident('webhooks.damaged')).toMatchObject({ occurrences: 2 }));
    for (const number of [1, 2]) await rm(join(folder, `000000000${number}.journal.damaged`));
    await until(async () => expect(await incident('webhooks.damaged')).toMatchObject({ status: 'resolved' }));
  }, 60_000);

  it('is a journal that cannot be read: told, found by the sweep, and over when it can', async () => {
    const writer = createJournalWriter({
      folder,
      first: 1,
      before: 0,
      mostBytes: () => 1024 * 1024,
      onWrote: () => undefined,
      onSealed: () => undefined,
    });
    await new Promise<void>((done, fail) =>
      writer.append(encode(delivery('one')), (failed) => (failed ? fail(failed) : done())),
    );
    writer.close();
    const journal = await openJournal({ folder, onRead: () => undefined, onFreed: () => undefined, log });
    const [name = ''] = await readdir(folder);
    const path = join(folder, name);
    await rename(path, `${path}.away`);
    await mkdir(path);
    const brought: string[] = [];
    const mover = createMover({
      journal,
      bringAll: async (some) => void brought.push(...some.map(({ id }) => id)),
      mostBytes: () => 1024 * 1024,
      load: () => 0,
      now: () => new Date(),
      log,
    });
    mover.start();
    ends.push(() => mover.stop());
    watch(undefined, mover);
    const sweep = createWaiting({
      db: database.store.db.withTables<WebhookTables>(),
      oldest: () => mover.oldest(),
      stall: () => mover.stall(),
      nudge: () => mover.nudge(),
      now: () => new Date(),
    });

    await until(async () => expect(await incident('webhooks.stuck')).toMatchObject({ status: 'open' }));
    expect(await evidence('webhooks.stuck')).toContain('EISDIR');
    expect(mover.behindMs()).toBeGreaterThan(TIMES.stuckMs);
    expect(await sweep.waiting(new Date(Date.now() - 100))).toMatchObject([
      { kind: 'webhook', what: expect.stringContaining('EISDIR') as string },
    ]);
    expect(await sweep.waiting(new Date(Date.now() - 3_600_000))).toEqual([]);

    await rm(path, { recursive: true });
    await rename(`${path}.away`, path);
    await sweep.begin();
    expect(brought).toEqual(['one']);
    expect(mover.behindMs()).toBe(0);
    expect(await sweep.waiting(new Date())).toEqual([]);
    await until(async () => expect(await incident('webhooks.stuck')).toMatchObject({ status: 'resolved' }));
  }, 60_000);
});

function delivery(id: string): Delivery {
  return {
    id,
    type: 'bank',
    content: 'json',
    senderId: undefined,
    source: '',
    address: '',
    receivedAt: new Date(),
    body: Buffer.alloc(100_000, 'x'),
  };
}

function mayMount(): boolean {
  const folder = mkdtempSync(join(tmpdir(), 'steward-mount-'));
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', folder]).status === 0;
  if (mounted) spawnSync('umount', [folder]);
  rmSync(folder, { recursive: true });
  return mounted;
}

/** To the last byte. */
function fill(file: string): void {
  const handle = openSync(file, 'a');
  try {
    for (let block = Buffer.alloc(1 << 16); block.length > 0;) {
      try {
        writeSync(handle, block);
      } catch {
        block = block.subarray(0, block.length >> 1);
      }
    }
  } finally {
    closeSync(handle);
  }
}
