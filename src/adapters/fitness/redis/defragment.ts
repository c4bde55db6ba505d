import { setTimeout as sleep } from 'node:timers/promises';
import type { TaskDone } from '../../../core/database/task.ts';
import type { Doing } from '../../../core/backup/store.ts';
import { StewardError } from '../../../core/errors.ts';
import { connectRedis, infoOf, type RedisAddress, type RedisClient } from '../../sources/redis/client.ts';
import { RespError } from '../../sources/redis/resp.ts';
import { putBack, writeDown } from './left-on.ts';

/** The server takes its figures ten times a second by default. */
const FIGURES_MS = 250;
const SETTLES_MS = 1_000;
const SETTLES_WITHIN_ROUNDS = 30;
const SETS_BACK_WITHIN_MS = 10_000;
/** It begins with its next round of chores, if there is something to do. */
const BEGINS_WITHIN_ROUNDS = 8;

export interface Defragmenting {
  readonly source: string;
  readonly address: RedisAddress;
  readonly scratch: string;
  readonly withinMs: number;
}

/**
 * Moves data together while the server serves on, until it finds nothing to move or the time is over; its setting is then what it
 * was, also where this is canceled. Builds that cannot give back what their allocator only keeps in reserve.
 */
export async function defragment(
  { source, address, scratch, withinMs }: Defragmenting,
  doing: Doing,
): Promise<TaskDone> {
  const started = performance.now();
  await using client = await connectRedis(address, doing.signal);
  const info = await client.text('INFO');
  await putBack(scratch, source, client, info);
  const resident = (text: string): number => Number(infoOf(text, 'used_memory_rss') ?? 0);
  const ways = [await moveTogether({ client, info, source, address, scratch, withinMs }, doing)];
  ways.push(await purge(client));
  return {
    durationMs: performance.now() - started,
    beforeBytes: resident(info),
    afterBytes: await settled(() => client.text('INFO', 'memory').then(resident), doing),
    how: ways.join('; '),
    locks: [],
  };
}

async function moveTogether(
  { client, info, source, address, scratch, withinMs }: Defragmenting & { client: RedisClient; info: string },
  doing: Doing,
): Promise<string> {
  const [setting] = await client.askAll([['CONFIG', 'GET', 'activedefrag']]);
  if (setting instanceof RespError) return 'CONFIG GET is not allowed to its user, so it did not move data';
  const before = Array.isArray(setting) ? setting[1] : undefined;
  if (before === undefined) return 'this server has no active defragmentation';
  if (String(before) === 'yes') return 'active defragmentation is on, and works by itself';
  const note = await writeDown(scratch, {
    source,
    runId: infoOf(info, 'run_id') ?? '',
    activedefrag: String(before),
  });
  const [refused] = await client.askAll([['CONFIG', 'SET', 'activedefrag', 'yes']]);
  if (refused instanceof RespError) {
    await note.forget();
    return /NOPERM/.test(refused.message)
      ? 'CONFIG SET is not allowed to its user, so it did not move data'
      : 'this build has no active defragmentation';
  }
  try {
    return (await untilDone(client, withinMs, doing))
      ? 'active defragmentation ran to its end'
      : 'active defragmentation ran until its time was over';
  } finally {
    // Its own connection: the other one is gone where this was canceled. Where this fails the note stays for the next time.
    await using fresh = await connectRedis(address, AbortSignal.timeout(SETS_BACK_WITHIN_MS));
    await fresh.ask('CONFIG', 'SET', 'activedefrag', before as Buffer);
    await note.forget();
  }
}

async function untilDone(client: RedisClient, withinMs: number, { signal, progress }: Doing): Promise<boolean> {
  let [idle, begun] = [0, false];
  for (const until = performance.now() + withinMs; performance.now() < until;) {
    await sleep(FIGURES_MS, undefined, { signal });
    const info = await client.text('INFO', 'memory');
    const running = Number(infoOf(info, 'active_defrag_running') ?? 0) > 0;
    begun ||= running;
    idle = running ? 0 : idle + 1;
    progress?.({
      bytes: Number(infoOf(info, 'allocator_frag_bytes') ?? 0),
      message: 'moving data together; so many bytes are left between it',
    });
    if (idle >= (begun ? 2 : BEGINS_WITHIN_ROUNDS)) return true;
  }
  return false;
}

/** What the allocator lets go the system takes back within some seconds: as long as it does, it is waited for. */
async function settled(resident: () => Promise<number>, { signal }: Doing): Promise<number> {
  let last = Number.POSITIVE_INFINITY;
  for (let round = 0; round < SETTLES_WITHIN_ROUNDS; round += 1) {
    await sleep(SETTLES_MS, undefined, { signal });
    const now = await resident();
    if (last - now < last / 100) return now;
    last = now;
  }
  return last;
}

async function purge(client: RedisClient): Promise<string> {
  const [answer] = await client.askAll([['MEMORY', 'PURGE']]);
  if (!(answer instanceof RespError)) return 'MEMORY PURGE gave back what the allocator kept';
  if (/NOPERM/.test(answer.message))
    throw new StewardError('FORBIDDEN', `Redis refuses MEMORY PURGE: ${answer.message}`, {
      hint: 'Allow it to the user of this source: ACL SETUSER its-name +info +memory|purge +config|get +config|set',
    });
  return `MEMORY PURGE: ${answer.message}`;
}
