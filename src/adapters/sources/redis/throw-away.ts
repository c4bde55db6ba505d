import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { StewardError } from '../../../core/errors.ts';
import type { ProgramsPort } from '../../../core/ports/programs.ts';
import type { ScratchFolder } from '../scratch.ts';
import { runAs, serve, withoutNetwork } from '../throw-away.ts';
import { connectRedis, type RedisAddress, type RedisClient } from './client.ts';

export const RDB = 'dump.rdb';
const SOCKET = 's';
/** It saves nothing, listens on no port, and has room for every database there may be. */
const SETTINGS = {
  port: '0',
  unixsocketperm: '700',
  dbfilename: RDB,
  save: '',
  appendonly: 'no',
  databases: '4096',
  daemonize: 'no',
  activerehashing: 'no',
  maxmemory: '0',
};
const WITHIN_MS = 6 * 60 * 60_000;
/** A Unix socket's path may have 107 bytes, its end included. */
const SOCKET_PATH = 106;
const PROGRAMS = ['redis-server', 'valkey-server'];

export interface ServerProgram {
  readonly program: string;
  readonly version: string;
}

export async function findServer(programs: ProgramsPort, signal: AbortSignal): Promise<ServerProgram | undefined> {
  for (const program of PROGRAMS) {
    try {
      const { stdout } = await programs.run({ program, args: ['--version'], timeoutMs: 10_000, signal });
      return { program, version: /v=(\S+)/.exec(stdout)?.[1] ?? '' };
    } catch (thrown) {
      if (StewardError.from(thrown).code !== 'NOT_FOUND') throw thrown;
    }
  }
  return undefined;
}

export function noServer(): StewardError {
  return new StewardError('PRECONDITION_FAILED', 'There is no redis-server on this machine to load the copy with.', {
    hint: 'Install it (apt-get install redis-server); it is started only for a while, on a socket of its own.',
  });
}

export interface ThrowAway {
  readonly client: RedisClient;
  readonly address: RedisAddress;
  /** Resolves when it is gone, whoever ended it. */
  readonly ended: Promise<unknown>;
  end(): Promise<void>;
}

/** A server of our own on a socket in the folder, loaded with its dump.rdb; it saves nothing and listens on no port. */
export async function startThrowAway(
  folder: ScratchFolder,
  { program, version }: ServerProgram,
  { programs, signal, memoryLimit }: { programs: ProgramsPort; signal: AbortSignal; memoryLimit: number },
): Promise<ThrowAway> {
  const socket = await socketOf(folder);
  const debug = Number.parseInt(version, 10) >= 7 && { 'enable-debug-command': 'local' };
  const address = { host: socket, port: 0 };
  const {
    session: client,
    end,
    ended,
  } = await serve(
    {
      programs,
      command: {
        ...runAs(
          undefined,
          program,
          Object.entries({ ...SETTINGS, unixsocket: socket, dir: folder.path, ...debug }).flatMap(([name, value]) => [
            `--${name}`,
            value,
          ]),
          await withoutNetwork(programs),
        ),
        cwd: folder.path,
        memoryLimit,
      },
      answers: () => connectRedis(address, signal),
      died: notLoaded,
      withinMs: WITHIN_MS,
    },
    { signal },
  );
  return {
    client,
    address,
    ended,
    async end() {
      client.close();
      await end();
    },
  };
}

/** What a server says in its log of a file that it cannot load. */
function notLoaded(said: string): StewardError {
  const lines = said.trim().split('\n');
  const wrong = lines.find((line) => /error|wrong|fatal|corrupt|terminat|can't|unexpected/i.test(line));
  return new StewardError(
    'VERIFICATION_FAILED',
    `A server of its own does not load the copy: ${(wrong ?? lines.at(-1) ?? '').replace(/^\S+ \d+ \w+ [\d:.]+ . /, '').slice(0, 200)}`,
    { hint: 'Use another copy of this source.' },
  );
}

async function socketOf(folder: ScratchFolder): Promise<string> {
  const beside = join(folder.path, SOCKET);
  if (Buffer.byteLength(beside) <= SOCKET_PATH) return beside;
  const short = await mkdtemp(join(tmpdir(), 'stw-redis-'));
  await folder.alsoRemove(short);
  return join(short, SOCKET);
}

/** Ends the server that a dead process left on its socket. */
export async function endLeft(paths: readonly string[], signal: AbortSignal): Promise<void> {
  for (const path of paths) {
    const client = await connectRedis({ host: join(path, SOCKET), port: 0 }, signal).catch(() => undefined);
    await client?.ask('SHUTDOWN', 'NOSAVE').catch(() => undefined);
  }
}
