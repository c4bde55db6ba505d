import { randomBytes } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestPostgres } from '../../src/testing/world/postgres.ts';
import { SCALE } from '../result.ts';

/** The database `shop`, of about 500 MB. */
export async function fillShop(server: TestPostgres): Promise<void> {
  await server.say('postgres', 'create database shop');
  await server.say(
    'shop',
    `create table orders as select i as id, (random() * 1e6)::int as customer, now() - random() * interval '300 days' as at,
       (random() * 10000)::numeric(10, 2) as amount, md5(i::text) || md5((i + 1)::text) as note from generate_series(1, ${2_500_000 * SCALE}) i`,
    'alter table orders add primary key (id)',
    'create index on orders (customer)',
    `create table events as select i as id, 'event ' || (i % 100) as kind, jsonb_build_object('a', i, 'b', md5(i::text)) as body
       from generate_series(1, ${1_200_000 * SCALE}) i`,
    'alter table events add primary key (id)',
    'vacuum analyze',
  );
}

/** Files that are all different, in 200 folders. */
export async function fillTree(
  tree: string,
  files: number,
  bytes: number | ((number: number) => number),
): Promise<void> {
  for (let folder = 0; folder < FOLDERS; folder++) await mkdir(join(tree, String(folder)), { recursive: true });
  for (let number = 0; number < files; number++)
    await writeFile(
      join(tree, String(number % FOLDERS), `${number}.dat`),
      randomBytes(typeof bytes === 'number' ? bytes : bytes(number)),
    );
}

/**
 * Sizes as they are in people's folders: log-normal, half of them below 8 KiB, 64 KB on average. The same ones each time.
 * After Downey, The structural cause of file size distributions, 2001.
 */
export function sizeOfFile(number: number): number {
  const uniform = (salt: number): number => (((Math.sin((number + 1) * salt) * 43_758.5453) % 1) + 1) % 1;
  const normal = Math.sqrt(-2 * Math.log(1 - uniform(12.9898))) * Math.cos(2 * Math.PI * uniform(78.233));
  return Math.min(64 * 1024 ** 2, Math.round(8 * 1024 * Math.exp(2 * normal)));
}
const FOLDERS = 200;
