import { createReadStream } from 'node:fs';
import { access, constants } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Bytes } from '../../../core/backup/store.ts';
import { StewardError } from '../../../core/errors.ts';
import { connectRedis, infoOf, type RedisAddress, type RedisClient } from './client.ts';
import type { Reply } from './resp.ts';

const LOOK_AGAIN_MS = 100;

/**
 * The whole of the data as of one instant: as a replica is given it, from wherever the server is; where this user may not be
 * one, from the file that the server saves, if that lies on this machine.
 */
export async function* snapshotOf(address: RedisAddress, signal: AbortSignal): Bytes {
  let begun = false;
  try {
    const client = await connectRedis(address, signal);
    for await (const chunk of client.snapshot()) {
      begun = true;
      yield chunk;
    }
    return;
  } catch (thrown) {
    const { code } = StewardError.from(thrown);
    if (begun || signal.aborted || (code !== 'FORBIDDEN' && code !== 'PROGRAM_FAILED')) throw thrown;
    await using client = await connectRedis(address, signal);
    const file = await saved(client, signal).catch((second: unknown) => {
      throw StewardError.from(second).code === 'CANCELED' ? second : thrown;
    });
    yield* createReadStream(file);
  }
}

/** Waits for a save that began after the call, and for its success. */
async function saved(client: RedisClient, signal: AbortSignal): Promise<string> {
  const persistence = async () => {
    const info = await client.text('INFO', 'persistence');
    return {
      running: infoOf(info, 'rdb_bgsave_in_progress') !== '0' || infoOf(info, 'aof_rewrite_in_progress') === '1',
      status: infoOf(info, 'rdb_last_bgsave_status'),
    };
  };
  const setting = async (name: string): Promise<string> => {
    const reply = (await client.ask('CONFIG', 'GET', name)) as readonly Reply[];
    return String(reply[1] ?? '');
  };
  const file = join(await setting('dir'), await setting('dbfilename'));
  const quiet = async (): Promise<void> => {
    while ((await persistence()).running) await sleep(LOOK_AGAIN_MS, undefined, { signal });
  };
  // One that runs already began before now.
  await quiet();
  await client.ask('BGSAVE');
  await quiet();
  const { status } = await persistence();
  if (status !== 'ok')
    throw new StewardError('PROGRAM_FAILED', `Redis could not save its data: rdb_last_bgsave_status is ${status}.`, {
      hint: 'Its log says why: often a full disk, or no memory for a second process.',
    });
  await access(file, constants.R_OK);
  return file;
}
