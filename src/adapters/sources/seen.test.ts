import { closeSync, openSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect, it } from 'vitest';
import { aResource } from '../../testing/fakes/fake-inventory.ts';
import { tempFolder } from '../../testing/world/temp-folder.ts';
import { seeForBackups } from './seen.ts';

it('sees the SQLite files that a service has open, and takes no other file for one', async () => {
  await using folder = await tempFolder();
  const path = join(folder.path, 'shop.db');
  const other = join(folder.path, 'other.db');
  await writeFile(other, 'no database at all, whatever it is called');
  const database = new DatabaseSync(path);
  database.exec('create table orders (id integer)');
  const neither = openSync(other, 'r');
  const service = aResource({ id: 'svc_shop', name: 'shop', pids: [process.pid] });
  const seen = await seeForBackups([service], `unix://${folder.path}/no-engine`);
  expect(seen.sqlite).toEqual([{ path, by: 'shop' }]);
  expect(seen.volumes).toEqual([]);
  database.close();
  closeSync(neither);
});
