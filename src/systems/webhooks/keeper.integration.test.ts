import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtemp, open, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { testDatabase, type TestDatabase } from '../../testing/database.ts';
import { defined } from '../../testing/defined.ts';
import { memoryLog } from '../../testing/log.ts';
import { createLedger, type Ledger } from '../incidents/ledger.ts';
import { incidentsMigrations } from '../incidents/tables.ts';
import { openJournal } from './journal.ts';
import { createKeeper, type Keeper } from './keeper.ts';
import { webhookTrouble } from './trouble.ts';

const TIMES = {
  answerMs: 300,
  beginMs: 0,
  endMs: 300,
  refreshMs: 100,
  firstPauseMs: 50,
  longestPauseMs: 200,
  steadyMs: 0,
};
const SETTINGS = { types: {}, place: undefined, trustedProxies: [], journalBytes: 1024 * 1024 };

describe("the receiver's thread", () => {
  let folder: string;
  let pipe: string;
  let database: TestDatabase;
  let ledger: Ledger;
  let log: ReturnType<typeof memoryLog>;
  let keeper: Keeper | undefined;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'steward-keeper-'));
    pipe = join(folder, 'pipe');
    execFileSync('mkfifo', [pipe]);
    database = await testDatabase({ migrations: incidentsMigrations });
    ledger = createLedger({ store: database.store, now: () => new Date() });
    log = memoryLog();
  });
  afterEach(async () => {
    await keeper?.stop();
    keeper = undefined;
    await database.drop();
    await rm(folder, { recursive: true, force: true });
  });

  const until = (check: () => unknown): Promise<unknown> => vi.waitFor(check, { timeout: 15_000, interval: 20 });
  const incident = () => ledger.byFingerprint('webhooks.not-received:one');

  async function script(text: string): Promise<URL> {
    const path = join(folder, 'thread.mjs');
    await writeFile(path, text);
    return pathToFileURL(path);
  }
  async function keep(text: string): Promise<Keeper> {
    keeper = createKeeper({
      script: await script(text),
      folder: join(folder, 'journal'),
      journal: await openJournal({
        folder: join(folder, 'journal'),
        onRead: () => undefined,
        onFreed: () => undefined,
        log,
      }),
      settings: async () => SETTINGS,
      onSettings: () => () => undefined,
      trouble: webhookTrouble('webhooks.not-received', { incidents: ledger, node: { id: 'one' }, log }),
      log,
      times: TIMES,
    });
    await keeper.start();
    return keeper;
  }
  /** A thread that opens a pipe is held by the kernel until somebody opens the other end, as by a disk that does not answer. */
  const held = (): string => `
    import { openSync } from 'node:fs';
    import { parentPort } from 'node:worker_threads';
    let first = true;
    parentPort.on('message', ({ number }) => {
      if (first) openSync(${JSON.stringify(pipe)}, 'r');
      first = false;
      parentPort.postMessage({ is: 'answered', number, answer: { url: 'http://there' } });
    });`;
  const letGo = async (): Promise<void> => await (await open(pipe, 'w')).close();

  it('that is held by the disk is an incident until it answers again', async () => {
    const kept = await keep(held());
    expect(kept.problem()).toContain('does not answer');
    await until(async () => expect(await incident()).toMatchObject({ status: 'open', severity: 'critical' }));
    await expect(defined(kept.thread()).ask('counts', null)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    await letGo();
    await until(async () => expect(await incident()).toMatchObject({ status: 'resolved', occurrences: 1 }));
    expect([kept.problem(), kept.url()]).toEqual([undefined, 'http://there']);
  });

  it('that is held by the disk is not ended, however long; one that runs without an end is', async () => {
    const kept = await keep(`
      import { existsSync, openSync, rmSync } from 'node:fs';
      import { parentPort } from 'node:worker_threads';
      const has = (name) => existsSync(${JSON.stringify(folder)} + name) && (rmSync(${JSON.stringify(folder)} + name), true);
      parentPort.on('message', ({ number }) => {
        if (has('/held')) openSync(${JSON.stringify(pipe)}, 'r');
        if (has('/spin')) for (let n = 0; ; n += 1) /^(a+)+$/.test('a'.repeat(30) + n);
        parentPort.postMessage({ is: 'answered', number, answer: { url: 'http://there' } });
      });`);
    const first = kept.thread();
    await writeFile(join(folder, 'held'), '');
    const looks: (string | undefined)[] = [];
    await until(async () => {
      await kept.look();
      looks.push(kept.problem());
      // Long after it would have been ended.
      expect(looks.filter((problem) => problem?.includes('does not answer')).length).toBeGreaterThan(10);
    });
    expect(kept.thread()).toBe(first);
    await letGo();
    await until(() => expect(kept.problem()).toBeUndefined());
    expect(kept.thread()).toBe(first);
    await writeFile(join(folder, 'spin'), '');
    await until(async () => {
      await kept.look();
      expect(log.lines.map(({ fields }) => fields['reason'])).toContain('its code ran without an end, so it was ended');
    });
    await until(() => expect(kept.problem()).toBeUndefined());
    expect(kept.thread()).not.toBe(first);
  });

  it('that is held by the disk keeps nobody from stopping', async () => {
    const listeners = process.listenerCount('exit');
    const kept = await keep(held());
    await kept.stop();
    expect(log.lines.map(({ message }) => message)).toContain('a thread does not end: it waits for the disk');
    await letGo();
    // Nothing of it is left, or this process could not exit as it wants to.
    await until(() => expect(process.listenerCount('exit')).toBe(listeners));
  });

  it('that is held by the disk keeps no process from ending', async () => {
    const thread = await script(held());
    const front = new URL('front.ts', import.meta.url);
    const nothing = '() => undefined';
    const program = `
      import { startFront } from '${front.href}';
      const log = { debug: ${nothing}, info: ${nothing}, warn: ${nothing}, error: ${nothing} };
      const front = startFront({ script: new URL('${thread.href}'), data: {}, onWrote: ${nothing}, onSealed: ${nothing}, onLost: ${nothing}, log, times: { answerMs: 3_000, beginMs: 0, endMs: 200 } });
      await front.ask('settings', {}).catch((thrown) => console.log(thrown.code));
      await front.end();
      console.log('ended');`;
    const { stdout, signal } = spawnSync(process.execPath, ['--input-type=module', '-e', program], {
      encoding: 'utf8',
      timeout: 30_000,
      killSignal: 'SIGUSR2',
    });
    expect([stdout, signal]).toEqual(['UNAVAILABLE\nended\n', 'SIGKILL']);
  });

  it('that cannot begin is begun again after longer and longer pauses, and is one incident', async () => {
    const kept = await keep(`throw new Error('no such module');`);
    const pauses = (): unknown[] =>
      log.lines.filter(({ message }) => message.includes('begun anew')).map(({ fields }) => fields['inSeconds']);
    await until(() => expect(pauses().slice(0, 5)).toEqual([0.05, 0.1, 0.2, 0.2, 0.2]));
    expect(kept.problem()).toContain('no such module');
    expect(await incident()).toMatchObject({ status: 'open', occurrences: 1 });
  });
});
