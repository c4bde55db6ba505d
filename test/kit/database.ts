import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';

/** The store of a home, opened as the owner of its tables: what somebody with the machine's root can do to it. */
export async function withDatabase<T>(home: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({
    host: join(home, 'pg/run'),
    user: 'steward',
    password: readFileSync(join(home, 'pg/password'), 'utf8').trim(),
    database: 'postgres',
  });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}
