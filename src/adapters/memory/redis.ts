import { connect } from 'node:net';
import { StewardError } from '../../core/errors.ts';
import type { RedisLogin, RedisMemory } from '../../core/ports/memory.ts';

const ANSWERS_WITHIN_MS = 10_000;
const MOST_BYTES = 256 * 1024;

/** One command, logged in where a password is given; its answer as text, or what Redis said against it. */
export function askRedis(
  { host, port, user, password }: RedisLogin,
  words: readonly string[],
  signal: AbortSignal,
): Promise<string> {
  const login = password === undefined ? [] : [['AUTH', ...(user === undefined ? [] : [user]), password]];
  const commands = [...login, words];
  return new Promise((resolve, reject) => {
    let received = Buffer.alloc(0);
    const socket = connect({ host, port, noDelay: true });
    const fail = (why: string, code: 'UNAVAILABLE' | 'PROGRAM_FAILED' | 'CANCELED'): void => {
      socket.destroy();
      reject(
        new StewardError(code, `Redis at ${host}:${port}: ${why}`, {
          hint: 'The check of this service says how it is reached, and as whom.',
        }),
      );
    };
    const timer = AbortSignal.any([signal, AbortSignal.timeout(ANSWERS_WITHIN_MS)]);
    timer.addEventListener('abort', () =>
      signal.aborted ? fail('it was canceled', 'CANCELED') : fail('it does not answer in time', 'UNAVAILABLE'),
    );
    socket.on('error', ({ message }) => fail(message, 'UNAVAILABLE'));
    socket.on('close', () => fail('it closed the connection before its answer', 'UNAVAILABLE'));
    socket.on('connect', () => socket.write(commands.map(encoded).join('')));
    socket.on('data', (chunk) => {
      received = Buffer.concat([received, chunk]);
      if (received.length > MOST_BYTES) return fail('its answer is no answer of Redis', 'PROGRAM_FAILED');
      const replies = parse(received);
      const refused = replies.find((reply) => reply.startsWith('-'));
      if (refused !== undefined) return fail(refused.slice(1, 200), 'PROGRAM_FAILED');
      if (replies.length < commands.length) return undefined;
      socket.destroy();
      return resolve((replies.at(-1) as string).slice(1));
    });
  });
}

export function readRedisMemory(info: string): RedisMemory {
  const bytes = (name: string): number => Number(new RegExp(`^${name}:(\\d+)`, 'm').exec(info)?.[1] ?? 0);
  const residentBytes = bytes('used_memory_rss');
  const resident = bytes('allocator_resident');
  return {
    usedBytes: bytes('used_memory'),
    residentBytes,
    // Other allocators than jemalloc tell nothing of it, and give nothing back when they are asked.
    spareBytes: /^mem_allocator:jemalloc/m.test(info) ? Math.max(0, resident - bytes('allocator_active')) : 0,
  };
}

function encoded(words: readonly string[]): string {
  return `*${words.length}\r\n${words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join('')}`;
}

/** The replies that are complete, each with its mark: + - or $. */
function parse(received: Buffer): string[] {
  const replies: string[] = [];
  for (let at = 0; at < received.length;) {
    const end = received.indexOf('\r\n', at);
    if (end === -1) break;
    const line = received.toString('utf8', at, end);
    at = end + 2;
    if (!line.startsWith('$') || line === '$-1') {
      replies.push(line);
      continue;
    }
    const length = Number(line.slice(1));
    if (!Number.isInteger(length) || received.length < at + length + 2) break;
    replies.push(`$${received.toString('utf8', at, at + length)}`);
    at += length + 2;
  }
  return replies;
}
