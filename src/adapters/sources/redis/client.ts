import { once } from 'node:events';
import { connect as connectSocket, type Socket } from 'node:net';
import type { SourceOf } from '../../../core/backup/source.ts';
import type { Bytes } from '../../../core/backup/store.ts';
import { StewardError } from '../../../core/errors.ts';
import { hostOf, type Reaching } from '../reaching.ts';
import { encode, type Reply, ReplyReader, RespError } from './resp.ts';

export interface RedisAddress {
  /** A host, or the path of a Unix socket. */
  readonly host: string;
  readonly port: number;
  readonly user?: string | undefined;
  readonly password?: string | undefined;
}

export async function addressOf(source: SourceOf<'redis'>, reaching: Reaching): Promise<RedisAddress> {
  const { port, user, password } = source;
  const host = await hostOf(source, reaching);
  return { host, port, user, ...(password && { password: await reaching.secrets(password) }) };
}

type Word = string | Buffer | number;

export interface RedisClient extends AsyncDisposable {
  /** The answer; an error that Redis gives is thrown. */
  ask(...words: readonly Word[]): Promise<Reply>;
  text(...words: readonly Word[]): Promise<string>;
  /** Many at once, each with its own answer or error. */
  askAll(commands: readonly (readonly Word[])[]): Promise<Reply[]>;
  /** What a replica is given at its beginning: the whole of the data, as of one instant. The connection serves nothing else. */
  snapshot(): Bytes;
  close(): void;
}

const CONNECTS_WITHIN_MS = 10_000;

export async function connectRedis(address: RedisAddress, signal: AbortSignal): Promise<RedisClient> {
  const where = address.host.startsWith('/') ? address.host : `${address.host}:${address.port}`;
  const failed = (cause: unknown): StewardError =>
    signal.aborted
      ? new StewardError('CANCELED', `Redis at ${where}: canceled.`)
      : new StewardError('UNAVAILABLE', `Redis at ${where} does not answer: ${(cause as Error).message}.`, {
          hint: 'See whether it runs, and whether host and port of this source are right.',
          cause,
        });
  signal.throwIfAborted();
  const socket = connectSocket(
    address.host.startsWith('/') ? { path: address.host } : { host: address.host, port: address.port, noDelay: true },
  );
  try {
    await once(socket, 'connect', { signal: AbortSignal.any([signal, AbortSignal.timeout(CONNECTS_WITHIN_MS)]) });
  } catch (thrown) {
    socket.destroy();
    throw failed(thrown);
  }
  return talk(socket, { ...address, where, failed, signal });
}

async function talk(
  socket: Socket,
  {
    user,
    password,
    where,
    failed,
    signal,
  }: RedisAddress & { where: string; failed: (cause: unknown) => StewardError; signal: AbortSignal },
): Promise<RedisClient> {
  const reader = new ReplyReader();
  const waiting: { resolve: (reply: Reply) => void; reject: (thrown: StewardError) => void }[] = [];
  const end = (cause: unknown): void => {
    socket.destroy();
    for (const { reject } of waiting.splice(0)) reject(failed(cause));
  };
  const onData = (chunk: Buffer): void => {
    for (const reply of reader.push(chunk)) waiting.shift()?.resolve(reply);
  };
  const onAbort = (): void => end(new Error('canceled'));
  socket.on('data', onData);
  socket.on('error', end);
  socket.on('close', () => {
    signal.removeEventListener('abort', onAbort);
    end(new Error('it closed the connection'));
  });
  signal.addEventListener('abort', onAbort, { once: true });

  const askAll = (commands: readonly (readonly Word[])[]): Promise<Reply[]> => {
    if (socket.destroyed) return Promise.reject(failed(new Error('the connection is closed')));
    const replies = commands.map(() => new Promise<Reply>((resolve, reject) => waiting.push({ resolve, reject })));
    socket.write(Buffer.concat(commands.map(encode)));
    return Promise.all(replies);
  };
  const client: RedisClient = {
    askAll,
    async ask(...words) {
      const [reply = null] = await askAll([words]);
      if (reply instanceof RespError) throw refused(where, String(words[0]), reply.message);
      return reply;
    },
    async text(...words) {
      return String((await client.ask(...words)) ?? '');
    },
    async *snapshot() {
      socket.off('data', onData);
      socket.write(encode(['SYNC']));
      try {
        yield* readSnapshot(socket, where);
      } catch (thrown) {
        throw thrown instanceof StewardError ? thrown : failed(thrown);
      } finally {
        socket.destroy();
      }
    },
    close: () => socket.destroy(),
    [Symbol.asyncDispose]: async () => void socket.destroy(),
  };
  try {
    if (password !== undefined) await client.ask('AUTH', ...(user === undefined ? [] : [user]), password);
    await client.ask('PING');
    return client;
  } catch (thrown) {
    socket.destroy();
    throw thrown;
  }
}

/** While the server writes its snapshot it sends empty lines; then `$<length>` and the bytes. */
async function* readSnapshot(socket: Socket, where: string): Bytes {
  let head = Buffer.alloc(0);
  let left: number | undefined;
  for await (const chunk of socket.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    let bytes = chunk;
    if (left === undefined) {
      head = Buffer.concat([head, chunk]);
      let at = 0;
      while (head[at] === 0x0a) at += 1;
      const lineEnd = head.indexOf('\r\n', at);
      if (lineEnd === -1) continue;
      const line = head.toString('utf8', at, lineEnd);
      if (!/^\$\d+$/.test(line)) throw refused(where, 'SYNC', line.replace(/^-/, ''));
      left = Number(line.slice(1));
      bytes = head.subarray(lineEnd + 2);
    }
    const piece = bytes.subarray(0, left);
    left -= piece.length;
    if (piece.length > 0) yield piece;
    if (left === 0) return;
  }
  throw new Error(
    `it ended the connection ${left === undefined ? 'before its snapshot' : `${left} bytes before the end of its snapshot`}`,
  );
}

function refused(where: string, command: string, said: string): StewardError {
  if (/^(LOADING|BUSY|MASTERDOWN)/.test(said))
    return new StewardError('UNAVAILABLE', `Redis at ${where} is not ready: ${said.slice(0, 200)}`, {
      hint: 'It becomes so by itself.',
    });
  const login = /^(NOAUTH|WRONGPASS|NOPERM|ERR (invalid|Client sent AUTH|AUTH <password>))/i.test(said);
  return new StewardError(
    login ? 'FORBIDDEN' : 'PROGRAM_FAILED',
    `Redis at ${where} refuses ${command}: ${said.slice(0, 200)}`,
    {
      hint: login
        ? 'Correct user and password of this source. Its user needs +sync, +psync, +info, +config|get and for a restore all commands on all keys.'
        : 'Its log says more.',
    },
  );
}

/** One number or text of INFO. */
export function infoOf(info: string, name: string): string | undefined {
  return new RegExp(`^${name}:(.*?)\\r?$`, 'm').exec(info)?.[1];
}
