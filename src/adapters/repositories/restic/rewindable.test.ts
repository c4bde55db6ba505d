import { describe, expect, it } from 'vitest';
import type { Bytes } from '../../../core/backup/store.ts';
import { rewindable } from './rewindable.ts';

async function* numbered(count: number, size = 1): Bytes {
  for (let at = 0; at < count; at += 1) yield Buffer.alloc(size, at);
}

async function allOf(content: Bytes): Promise<number[]> {
  const firsts: number[] = [];
  for await (const chunk of content) firsts.push(chunk[0] ?? -1);
  return firsts;
}

describe('content that can be read anew', () => {
  it('begins again where a reading was left in the midst of it', async () => {
    const content = rewindable(numbered(5));
    const first = content.read()[Symbol.asyncIterator]();
    expect((await first.next()).value?.[0]).toBe(0);
    expect((await first.next()).value?.[0]).toBe(1);

    expect(await allOf(content.read())).toEqual([0, 1, 2, 3, 4]);
    expect(content.again).toBe(true);
    expect(await allOf(content.read())).toEqual([0, 1, 2, 3, 4]);
  });

  it('gives what a reading that was left still waits for to the one that follows, once', async () => {
    const arrives = Promise.withResolvers<void>();
    const content = rewindable(
      (async function* (): Bytes {
        yield Buffer.from([1]);
        await arrives.promise;
        yield Buffer.from([2]);
        yield Buffer.from([3]);
      })(),
    );
    const left = content.read()[Symbol.asyncIterator]();
    await left.next();
    const hanging = left.next();
    const second = allOf(content.read());
    arrives.resolve();

    expect(await second).toEqual([1, 2, 3]);
    expect((await hanging).done).toBe(true);
    expect(await allOf(content.read())).toEqual([1, 2, 3]);
  });

  it('is not for a second time when more was read than a program takes that has not begun', async () => {
    const content = rewindable(numbered(40, 64 * 1024));
    expect(await allOf(content.read())).toHaveLength(40);
    expect(content.again).toBe(false);
  });

  it('that broke off breaks off for everybody, and never looks like its end', async () => {
    const content = rewindable(
      (async function* (): Bytes {
        yield Buffer.from([1]);
        throw new Error('the dump was cut');
      })(),
    );
    await expect(allOf(content.read())).rejects.toThrow('the dump was cut');
    await expect(allOf(content.read())).rejects.toThrow('the dump was cut');
  });

  it('is told to end when it is closed', async () => {
    let ended = false;
    const content = rewindable(
      (async function* (): Bytes {
        try {
          yield* numbered(10);
        } finally {
          ended = true;
        }
      })(),
    );
    const reading = content.read()[Symbol.asyncIterator]();
    await reading.next();
    await reading.return?.();
    expect(ended).toBe(false);
    content.close();
    await expect.poll(() => ended).toBe(true);
  });
});
