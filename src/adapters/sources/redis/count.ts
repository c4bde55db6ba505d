import { createHash } from 'node:crypto';
import type { ContentItem } from '../../../core/backup/copy.ts';
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

/**
 * What a server of our own holds, by database: keys that stay, with a checksum over names and values that does not depend on
 * their order; and how many expire by themselves, of which nothing can be compared later. Nobody else writes there.
 */
export async function countKeys(client: RedisClient): Promise<ContentItem[]> {
  const items: ContentItem[] = [];
  for (const database of (await databasesOf(client)).keys()) {
    await client.ask('SELECT', database);
    const { staying, expiring, sum } = await countOne(client, database);
    items.push({ name: `db${database}`, count: staying, checksum: sum.toString('hex') });
    if (expiring > 0) items.push({ name: `db${database} expiring`, count: expiring, checksum: null });
  }
  return items.toSorted((one, other) => byName(one.name, other.name));
}

async function countOne(client: RedisClient, database: number) {
  for (let round = 0; round < ROUNDS; round += 1) {
    const sum = Buffer.alloc(32);
    let [staying, expiring] = [0, 0];
    for await (const keys of scanKeys(client)) {
      const expiries = await client.askAll(keys.map((key) => ['PTTL', key]));
      const kept = keys.filter((_, at) => expiries[at] === -1);
      expiring += expiries.filter((expiry) => typeof expiry === 'number' && expiry >= 0).length;
      if (kept.length === 0) continue;
      const digests = await client.ask('DEBUG', 'DIGEST-VALUE', ...kept);
      if (!Array.isArray(digests)) throw new StewardError('PROGRAM_FAILED', 'Redis gives no digests of its values.');
      kept.forEach((key, at) => {
        staying += 1;
        const digest = createHash('sha256').update(`${key.length}:`).update(key).update(String(digests[at])).digest();
        for (let byte = 0; byte < sum.length; byte += 1) sum[byte] = (sum[byte] ?? 0) ^ (digest[byte] ?? 0);
      });
    }
    // A scan may give a key twice while a table grows or shrinks.
    if (staying + expiring <= ((await databasesOf(client)).get(database) ?? 0)) return { staying, expiring, sum };
  }
  throw new StewardError('PROGRAM_FAILED', `The keys of database ${database} could not be counted: they keep moving.`);
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
