import { readdirSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { RedisSource } from '../../../core/backup/source.ts';
import { type TempFolder, tempFolder } from '../../../testing/world/temp-folder.ts';
import { ReplyReader } from '../../sources/redis/resp.ts';
import { createRedisEngine } from './index.ts';
import { writeDown } from './left-on.ts';

// Debian's Redis cannot move data. What a Redis 7.0.15 with its own jemalloc said of itself before, while and after it did:
const RUN = '305f430cd1cf7a72a8e3755c38dddf9e8f8b5017';
const SAID = {
  before: { rss: 425_615_360, allocated: 164_959_400, resident: 422_699_008, free: 250_506_072, running: 0 },
  during: { rss: 425_746_432, allocated: 165_182_240, resident: 422_957_056, free: 250_537_184, running: 25 },
  after: { rss: 234_356_736, allocated: 165_217_800, resident: 231_501_824, free: 54_929_912, running: 0 },
};
const infoOf = ({ rss, allocated, resident, free, running }: (typeof SAID)['before']): string =>
  `# Server\r\nredis_version:7.0.15\r\nrun_id:${RUN}\r\n# Memory\r\nused_memory:164906896\r\nused_memory_rss:${rss}\r\nallocator_allocated:${allocated}\r\nallocator_resident:${resident}\r\nallocator_frag_bytes:${free}\r\nmem_fragmentation_ratio:2.58\r\nmem_allocator:jemalloc-5.2.1\r\nactive_defrag_running:${running}\r\n`;

let folder: TempFolder;
let scratch: string;
let server: Server;
let setting: string;
let moved: number;
/** How many looks it takes; then it is done. */
let takes: number;
let asked: string[];

function answer(words: readonly string[]): string {
  const command = words.join(' ');
  if (!/^(PING|INFO)/.test(command)) asked.push(command);
  const bulk = (text: string): string => `$${Buffer.byteLength(text)}\r\n${text}\r\n`;
  if (words[0] === 'INFO') {
    if (setting === 'yes') moved += 1;
    return bulk(infoOf(moved === 0 ? SAID.before : moved < takes && setting === 'yes' ? SAID.during : SAID.after));
  }
  if (command === 'CONFIG GET activedefrag') return `*2\r\n${bulk('activedefrag')}${bulk(setting)}`;
  if (words[1] === 'SET') setting = words[3] ?? '';
  if (words[0] === 'SLOWLOG') return '*0\r\n';
  return words[1] === 'GET' ? `*2\r\n${bulk(words[2] ?? '')}${bulk('1000')}` : '+OK\r\n';
}

beforeEach(async () => {
  folder = await tempFolder('stw-fit');
  scratch = join(folder.path, 'scratch');
  [setting, moved, takes, asked] = ['no', 0, 4, []];
  server = createServer((socket) => {
    const reader = new ReplyReader();
    socket.on('error', () => undefined);
    socket.on('data', (chunk: Buffer) => {
      for (const words of reader.push(chunk)) socket.write(answer((words as Buffer[]).map(String)));
    });
  });
  await new Promise<void>((resolve) => server.listen(join(folder.path, 's'), resolve));
});
afterEach(async () => {
  await new Promise((resolve) => server.close(resolve));
  await folder.remove();
});

const source = () => RedisSource.parse({ kind: 'redis', name: 'cache', host: join(folder.path, 's') });
const engine = () => createRedisEngine({ scratch, now: () => new Date(), secrets: async () => '' });
const task = { kind: 'defragment', database: 'all', reason: 'asked for' } as const;
const doing = { signal: new AbortController().signal };

it('moves data together as a Redis that can was recorded to, and sets back what was set (recorded)', async () => {
  expect((await engine().look({ source: source() }, { slowMs: 1000 }, doing)).fragmentation).toBeCloseTo(2.56);
  asked = [];
  expect(await engine().perform({ source: source() }, task, doing)).toMatchObject({
    beforeBytes: SAID.before.rss,
    afterBytes: SAID.after.rss,
    how: 'active defragmentation ran to its end; MEMORY PURGE gave back what the allocator kept',
  });
  expect(asked).toEqual([
    'CONFIG GET activedefrag',
    'CONFIG SET activedefrag yes',
    'CONFIG SET activedefrag no',
    'MEMORY PURGE',
  ]);
  expect(readdirSync(scratch)).toEqual([]);
});

it('sets back what was set where it is canceled (recorded)', async () => {
  takes = Number.POSITIVE_INFINITY;
  const stop = new AbortController();
  const running = engine().perform({ source: source() }, task, {
    signal: stop.signal,
    progress: () => stop.abort(),
  });
  await expect(running).rejects.toMatchObject({ name: expect.stringMatching(/AbortError|StewardError/) });
  expect([setting, readdirSync(scratch)]).toEqual(['no', []]);
});

it('tells what a killed Steward left on, and the next one sets it back; a server that was restarted is left alone (recorded)', async () => {
  setting = 'yes';
  await writeDown(scratch, { source: 'cache', runId: 'another start', activedefrag: 'no' });
  const warned = async () => (await engine().look({ source: source() }, { slowMs: 1000 }, doing)).warnings;
  expect(await warned()).toEqual([]);
  await engine().perform({ source: source() }, task, doing);
  expect([setting, readdirSync(scratch)]).toEqual(['yes', []]);
  await writeDown(scratch, { source: 'cache', runId: RUN, activedefrag: 'no' });
  expect(await warned()).toMatchObject([{ what: expect.stringContaining('killed') }]);
  await engine().perform({ source: source() }, task, doing);
  expect([setting, readdirSync(scratch)]).toEqual(['no', []]);
});
