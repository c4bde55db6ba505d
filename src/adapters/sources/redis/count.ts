import { createHash } from 'node:crypto';
import type { ContentItem } from '../../../core/backup/copy.ts';
import type { Compares } from '../../../core/backup/reader.ts';
import { StewardError } from '../../../core/errors.ts';
import { byName } from '../order.ts';
import type { RedisClient } from './client.ts';
import { RespError } from './resp.ts';

const AT_ONCE = 500;
const ROUNDS = 3;

/** How many keys each database of a server holds. */
export async function databasesOf(client: RedisClient): Promise<Map<number, number>> {
  const info = await client.text('INFO', 'keyspace');
  return new Map(
    [...info.matchAll(/^db(\d+):keys=(\d+)/gm)].map(([, database, keys]) => [Number(database), Number(keys)]),
  );
}

/** Keys that expire within the same so long are one item: those of which some are gone by now are not compared, and all others are. */
const SPAN_MS = 10 * 60_000;
const EXPIRING = / expiring$/;
const UNTIL = / expiring until (\S+)$/;

/** Whether what is counted in a copy says of keys that expire only how many they are, as it does by a server before Redis 7. */
export const isBareCount = ({ name }: ContentItem): boolean => EXPIRING.test(name);

/** How what was counted is compared: keys that have expired since the copy was made are missed by nobody. */
export const comparesKeys: Compares = {
  lapsed: () => {
    const now = Date.now();
    return ({ name, count }) => {
      // A database is gone with the last of its keys.
      if (count === 0) return true;
      const until = UNTIL.exec(name)?.[1];
      return until !== undefined && Date.parse(until) - SPAN_MS <= now;
    };
  },
};

/**
 * What a server of our own holds, by database: keys that stay, and those that expire by themselves by when they do, each with a
 * checksum over names and values that does not depend on their order. Nobody else writes there. `bare`: those that expire are only counted.
 */
export async function countKeys(client: RedisClient, { bare = false } = {}): Promise<ContentItem[]> {
  const items: ContentItem[] = [];
  const dated = !bare && (await knowsWhen(client));
  for (const database of (await databasesOf(client)).keys()) {
    await client.ask('SELECT', database);
    for (const [until, { count, sum }] of await countOne(client, database, dated))
      items.push(
        until === STAYS
          ? { name: `db${database}`, count, checksum: sum.toString('hex') }
          : until === SOMETIME
            ? { name: `db${database} expiring`, count, checksum: null }
            : {
                name: `db${database} expiring until ${new Date(until).toISOString()}`,
                count,
                checksum: sum.toString('hex'),
              },
      );
  }
  return items.toSorted((one, other) => byName(one.name, other.name));
}

const STAYS = -1;
const SOMETIME = 0;

async function knowsWhen(client: RedisClient): Promise<boolean> {
  const [answer] = await client.askAll([['PEXPIRETIME', 'steward']]);
  return typeof answer === 'number';
}

/** By the end of the span in which they expire. */
type Counted = Map<number, { count: number; readonly sum: Buffer }>;

async function countOne(client: RedisClient, database: number, dated: boolean): Promise<Counted> {
  for (let round = 0; round < ROUNDS; round += 1) {
    const counted: Counted = new Map();
    let all = 0;
    const there = (await databasesOf(client)).get(database) ?? 0;
    for await (const found of scanKeys(client)) {
      const expiries = await client.askAll(found.map((key) => [dated ? 'PEXPIRETIME' : 'PTTL', key]));
      const keys = found.flatMap((key, at) => {
        const until = untilOf(expiries[at], dated);
        return until === undefined ? [] : [{ key, until }];
      });
      if (keys.length === 0) continue;
      const digests = await client.ask('DEBUG', 'DIGEST-VALUE', ...keys.map(({ key }) => key));
      if (!Array.isArray(digests)) throw new StewardError('PROGRAM_FAILED', 'Redis gives no digests of its values.');
      keys.forEach(({ key, until }, at) => {
        all += 1;
        const of = counted.get(until) ?? { count: 0, sum: Buffer.alloc(32) };
        counted.set(until, of);
        of.count += 1;
        const digest = createHash('sha256').update(`${key.length}:`).update(key).update(String(digests[at])).digest();
        for (let byte = 0; byte < of.sum.length; byte += 1) of.sum[byte] = (of.sum[byte] ?? 0) ^ (digest[byte] ?? 0);
      });
    }
    // A scan may give a key twice while a table grows or shrinks. Some may expire meanwhile, and none comes.
    if (all <= there) return counted;
  }
  throw new StewardError('PROGRAM_FAILED', `The keys of database ${database} could not be counted: they keep moving.`);
}

/** Undefined of one that is gone. */
function untilOf(expiry: unknown, dated: boolean): number | undefined {
  if (typeof expiry !== 'number' || expiry === -2) return undefined;
  if (expiry === -1) return STAYS;
  return dated ? (Math.floor(expiry / SPAN_MS) + 1) * SPAN_MS : SOMETIME;
}

export async function* scanKeys(client: RedisClient): AsyncGenerator<Buffer[]> {
  let cursor = '0';
  do {
    const reply = await client.ask('SCAN', cursor, 'COUNT', AT_ONCE);
    const [next, keys] = reply as [Buffer, Buffer[]];
    cursor = String(next);
    if (keys.length > 0) yield keys;
  } while (cursor !== '0');
}

export function firstError(replies: readonly unknown[]): RespError | undefined {
  return replies.find((reply): reply is RespError => reply instanceof RespError);
}
