import pg from 'pg';
import { expect, it } from 'vitest';
import { PostgresSource } from '../../../core/backup/source.ts';
import { GB } from '../../../core/database/tuning.ts';
import { emptyDatabase } from '../../../testing/database.ts';
import type { PgSession } from '../../sources/postgres/access.ts';
import { settingsOf } from './settings.ts';

it('says which settings do not fit to a user who may not see the folder, of a server since 17, too', async () => {
  const { databaseUrl, drop } = await emptyDatabase();
  const client = new pg.Client(databaseUrl);
  await client.connect();
  try {
    await client.query('create role stw_plain; set role stw_plain');
    const session: Pick<PgSession, 'rows'> = {
      rows: async (sql, values) => (await client.query(sql, values && [...values])).rows,
    };
    const source = PostgresSource.parse({ kind: 'postgres', name: 'crm' });
    const folders: (string | undefined)[] = [];
    const settings = await settingsOf(session, source, { databases: [], tables: [] }, async (_, folder) => {
      folders.push(folder);
      return { memoryBytes: 64 * GB, availableBytes: 32 * GB, of: "the machine's memory" };
    });
    expect(settings?.map(({ setting }) => setting)).toContain('effective_cache_size');
    expect(folders).toEqual([undefined]);
    await client.query('reset role; drop role stw_plain');
  } finally {
    await client.end();
    await drop();
  }
});
