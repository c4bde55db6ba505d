import { randomUUID } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { SourceOf } from '../../../core/backup/source.ts';
import { StewardError } from '../../../core/errors.ts';
import { type ScratchFolder, writeAtOnce } from '../scratch.ts';
import { connectRedis, type RedisAddress, type RedisClient } from './client.ts';

const RECORD = 'claimed.json';
/** A server that does not answer for so long has lost what was in it, or is none any more. */
const TRIES_FOR_MS = 7 * 24 * 3_600_000;

/** Empty databases of a living server that a restore fills: whoever comes after a kill has to know which, and that they are not another's. */
interface Claimed {
  /** Where they are; of a password only what refers to it. */
  readonly source: SourceOf<'redis'>;
  /** A key in each of them, and nowhere else. */
  readonly mark: string;
  readonly databases: readonly number[];
}

export interface Claims {
  readonly mark: string;
  /** On record before anything is in them. CONFLICT where somebody was faster. */
  claim(databases: readonly number[]): Promise<void>;
  /** Empties those that are claimed still. */
  release(): Promise<void>;
}

export function createClaims(folder: ScratchFolder, source: SourceOf<'redis'>, client: RedisClient): Claims {
  const mark = `steward:restoring:${randomUUID()}`;
  let claimed: readonly number[] = [];
  return {
    mark,
    async claim(databases) {
      claimed = databases;
      await writeAtOnce(join(folder.path, RECORD), JSON.stringify({ source, mark, databases } satisfies Claimed));
      for (const database of databases) {
        await client.ask('SELECT', database);
        await client.ask('SET', mark, '');
        if ((await client.ask('DBSIZE')) === 1) continue;
        await client.ask('DEL', mark);
        throw new StewardError('CONFLICT', `Database ${database} is not empty any more.`, {
          hint: 'Nothing was changed. Start it again.',
        });
      }
    },
    release: () => release(client, mark, claimed),
  };
}

async function release(client: RedisClient, mark: string, databases: readonly number[]): Promise<void> {
  for (const database of databases) {
    await client.ask('SELECT', database);
    if ((await client.ask('EXISTS', mark)) === 1) await client.ask('FLUSHDB', 'ASYNC');
  }
}

/** Empties what a restore that was killed has left in a server; throws where that cannot be asked, to be tried again. */
export async function releaseLeft(
  folder: string,
  addressOf: (source: SourceOf<'redis'>) => Promise<RedisAddress>,
  signal: AbortSignal,
): Promise<void> {
  const file = join(folder, RECORD);
  const text = await readFile(file, 'utf8').catch(() => undefined);
  if (text === undefined) return;
  const { source, mark, databases } = JSON.parse(text) as Claimed;
  try {
    await using client = await connectRedis(await addressOf(source), signal);
    await release(client, mark, databases);
  } catch (thrown) {
    signal.throwIfAborted();
    if (Date.now() - (await stat(file)).mtimeMs < TRIES_FOR_MS) throw thrown;
  }
}
