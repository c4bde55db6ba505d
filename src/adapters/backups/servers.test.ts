import { expect, it } from 'vitest';
import type { SourceReader } from '../../core/backup/reader.ts';
import { BackupSource } from '../../core/backup/source.ts';
import { memoryLog } from '../../testing/log.ts';
import { serversOf } from './servers.ts';

const signal = new AbortController().signal;
const sources = [
  { kind: 'redis', name: 'cache', host: 'cache.example' },
  { kind: 'files', name: 'etc', paths: ['/etc'] },
].map((source) => BackupSource.parse(source));

/** A server that says what it is told to, or nothing at all for ever. */
function asked(withinMs?: number) {
  let says: (() => Promise<string | undefined>) | undefined;
  const reader = { kind: 'redis', server: () => says?.() ?? new Promise<never>(() => undefined) };
  const serverOf = serversOf({
    sources: () => sources,
    readers: [reader as unknown as SourceReader],
    servers: new Map(),
    log: memoryLog(),
    ...(withinMs !== undefined && { withinMs }),
  });
  return { serverOf, say: (next: typeof says) => void (says = next) };
}

it('is what the server said last, while it cannot be asked or does not say', async () => {
  const { serverOf, say } = asked();
  say(async () => 'one');
  expect(await serverOf('cache', { signal })).toBe('one');
  say(() => Promise.reject(new Error('refused')));
  expect(await serverOf('cache', { signal })).toBe('one');
  say(async () => undefined);
  expect(await serverOf('cache', { signal })).toBe('one');
  say(async () => 'another, at the same address');
  expect(await serverOf('cache', { signal })).toBe('another, at the same address');
});

it('is nothing where nobody ever answered, and where there is no server to ask', async () => {
  const { serverOf } = asked(1);
  expect(await serverOf('cache', { signal })).toBeUndefined();
  expect(await serverOf('etc', { signal })).toBeUndefined();
  expect(await serverOf('gone', { signal })).toBeUndefined();
});

it('ends with whoever asks', async () => {
  const canceled = new AbortController();
  const answer = asked().serverOf('cache', { signal: canceled.signal });
  canceled.abort(new Error('canceled'));
  await expect(answer).rejects.toThrow('canceled');
});
