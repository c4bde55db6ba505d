import { spawnSync } from 'node:child_process';
import { appendFile, mkdir, mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { memoryLog } from '../../testing/log.ts';
import { openJournal } from './journal.ts';
import { createJournalWriter, JournalFull } from './journal-writer.ts';
import { createMover } from './mover.ts';
import { type Delivery, encode } from './record.ts';

const AT = new Date('2026-05-04T03:02:01Z');
const log = memoryLog();
/** A program that has one descriptor left. */
const SHORT = join(import.meta.dirname, '../../testing/short-of-descriptors.ts');

describe('the journal of webhooks', () => {
  let folder: string;
  let journal: Awaited<ReturnType<typeof both>>;
  const opened = (mostBytes = 64 * 1024 * 1024) => both(folder, mostBytes);

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'steward-journal-'));
    journal = await opened();
  });
  afterEach(async () => {
    await journal.close();
    await rm(folder, { recursive: true, force: true });
  });

  it('gives back what was appended, in order, byte for byte, once', async () => {
    const bodies = [
      Buffer.from('{"a":1}'),
      Buffer.from([0, 255, 10, 0]),
      Buffer.alloc(3 * 1024 * 1024, 'x'),
      Buffer.from(''),
    ];
    for (const [index, body] of bodies.entries()) await journal.append(delivery(`d-${index}`, body));
    const found = await all(journal);
    expect(found.map(({ body }, index) => bodies[index]?.equals(body))).toEqual([true, true, true, true]);
    expect(found[0]).toEqual(delivery('d-0', bodies[0]));
    expect(await journal.read(10)).toEqual([]);
  });

  it('shares its writes among those that come at once', async () => {
    const ids = Array.from({ length: 3_000 }, (_, index) => `d-${index}`);
    await Promise.all(ids.map((id) => journal.append(delivery(id))));
    expect((await all(journal)).map(({ id }) => id)).toEqual(ids);
  });

  it('has what was not settled when its process ended, and begins a file of its own', async () => {
    await journal.append(delivery('first'));
    // Never closed: as after kill -9.
    const next = await opened();
    await next.append(delivery('second'));
    expect((await all(next)).map(({ id }) => id)).toEqual(['first', 'second']);
    await next.close();
    await next.settle();
    expect(await readdir(folder)).toEqual([]);
    expect(next.bytes()).toBe(0);
  });

  it('reads up to where a write was cut off, and keeps the rest aside', async () => {
    await journal.append(delivery('whole'));
    await journal.append(delivery('cut'));
    const [file = ''] = await readdir(folder);
    await truncate(join(folder, file), journal.bytes() - 3);
    const next = await opened();
    expect((await all(next)).map(({ id }) => id)).toEqual(['whole']);
    await next.settle();
    expect(await readdir(folder)).toEqual([`${file}.damaged`]);
    // It was never answered.
    expect(next.mayHaveLost()).toBe(false);
    await next.close();
  });

  it('gives what is whole before and behind what cannot be read, and keeps that aside when the rest is in the store', async () => {
    for (const id of ['first', 'damaged', 'third', 'fourth']) await journal.append(delivery(id));
    const [file = ''] = await readdir(folder);
    const path = join(folder, file);
    const bytes = await readFile(path);
    bytes[bytes.indexOf('of-damaged')] = 7;
    await writeFile(path, bytes);
    // Whoever writes is asked to leave the file first.
    expect((await all(journal)).map(({ id }) => id)).toEqual(['first']);
    expect((await all(journal)).map(({ id }) => id)).toEqual(['third', 'fourth']);
    expect(await readdir(folder)).toEqual([file]);
    await journal.settle();
    expect(await readdir(folder)).toEqual([`${file}.damaged`]);
    expect(journal.mayHaveLost()).toBe(true);
    expect(log.lines.filter(({ level }) => level === 'error')).toMatchObject([
      { fields: { at: expect.any(Number) as number } },
    ]);
  });

  it('loses nothing where what is damaged cannot be kept aside', async () => {
    for (const id of ['first', 'cut']) await journal.append(delivery(id));
    const [file = ''] = await readdir(folder);
    await truncate(join(folder, file), journal.bytes() - 3);
    // Nothing is renamed to where a folder is.
    await mkdir(join(folder, `${file}.damaged`));
    const next = await opened();
    expect((await all(next)).map(({ id }) => id)).toEqual(['first']);
    await expect(next.settle()).rejects.toThrow(`${file}.damaged`);
    await rm(join(folder, `${file}.damaged`), { recursive: true });
    await next.settle();
    expect(await readdir(folder)).toEqual([`${file}.damaged`]);
    await next.close();
  });

  it('never takes the name of what is kept aside', async () => {
    await writeFile(join(folder, '0000000007.journal.damaged'), 'x');
    expect((await opened()).next).toBe(8);
  });

  it('leaves neither a descriptor nor a file behind where it cannot begin one', () => {
    const { stdout, stderr } = spawnSync(
      'sh',
      ['-c', 'ulimit -n 128; exec "$0" "$1" "$2"', process.execPath, SHORT, folder],
      {
        encoding: 'utf8',
      },
    );
    expect([stdout, stderr]).toEqual(['EMFILE EMFILE EMFILE, 1 left, 0 files\n', '']);
  });

  it('never gives bytes that are not what was written', async () => {
    await journal.append(delivery('whole'));
    const [file = ''] = await readdir(folder);
    await appendFile(join(folder, file), Buffer.alloc(500, 7));
    const next = await opened();
    expect((await all(next)).map(({ id }) => id)).toEqual(['whole']);
    await next.close();
  });

  it('takes no more than it may, and takes more when the store has what waited', async () => {
    const small = await opened(2_000);
    const outcomes = await Promise.allSettled(
      Array.from({ length: 20 }, async (_, index) => {
        await small.append(delivery(`d-${index}`, Buffer.alloc(300)));
      }),
    );
    const refused = outcomes.filter(({ status }) => status === 'rejected');
    expect(refused.length).toBeGreaterThan(10);
    expect(refused.every((outcome) => 'reason' in outcome && outcome.reason instanceof JournalFull)).toBe(true);
    expect(small.bytes()).toBeLessThanOrEqual(2_000);
    expect(await all(small)).toHaveLength(20 - refused.length);
    await small.close();
    await small.settle();
    expect(small.bytes()).toBe(0);
  });
});

describe('the mover of webhooks', () => {
  it('moves all in order while requests need all the time, and knows how late it is while more waits', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'steward-journal-'));
    const journal = await both(folder, 64 * 1024 * 1024);
    const ids = Array.from({ length: 1_500 }, (_, index) => `d-${index}`);
    await Promise.all(ids.map((id) => journal.append(delivery(id))));
    const moved: string[] = [];
    const late: number[] = [];
    const mover = createMover({
      journal,
      bringAll: async (some) => void moved.push(...some.map(({ id }) => id)),
      mostBytes: () => 64 * 1024 * 1024,
      load() {
        late.push(mover.behindMs());
        return 1;
      },
      now: () => new Date(AT.getTime() + 5_000),
      log,
    });
    mover.start();
    try {
      await vi.waitFor(() => expect(late).toHaveLength(2), { timeout: 30_000, interval: 20 });
      expect(moved).toEqual(ids);
      expect(late).toEqual([5_000, 0]);
    } finally {
      await mover.stop();
      await journal.close();
      await rm(folder, { recursive: true, force: true });
    }
  });
});

/** Both ends of it, as the thread and the mover have them. */
async function both(folder: string, mostBytes: number) {
  const journal = await openJournal({
    folder,
    onRead: (segment) => writer.leave(segment),
    onFreed: (bytes) => writer.freed(bytes),
    log,
  });
  const writer = createJournalWriter({
    folder,
    first: journal.next,
    before: journal.bytes(),
    mostBytes: () => mostBytes,
    onWrote: journal.wrote,
    onSealed: journal.sealed,
  });
  return {
    ...journal,
    append(one: Delivery): Promise<void> {
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      writer.append(encode(one), (failed) => (failed ? reject(failed) : resolve()));
      return promise;
    },
    close: async () => writer.close(),
  };
}

function delivery(id: string, body = Buffer.from('{}')): Delivery {
  return {
    id,
    type: 'bank',
    content: 'json',
    senderId: `of-${id}`,
    source: 'bank/1.0',
    address: '192.0.2.1',
    receivedAt: AT,
    body,
  };
}

async function all(journal: Pick<Awaited<ReturnType<typeof both>>, 'read'>): Promise<Delivery[]> {
  const found: Delivery[] = [];
  for (;;) {
    const some = await journal.read(500);
    if (some.length === 0) return found;
    found.push(...some);
  }
}
