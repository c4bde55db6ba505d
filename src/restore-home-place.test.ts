import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { selfOf } from './adapters/repositories/holder.ts';
import { homeFiles } from './adapters/sources/steward/home-files.ts';
import { assertNoSteward } from './restore-home-place.ts';
import { pgHome } from './store/pg-home.ts';
import { tempFolder } from './testing/world/temp-folder.ts';

it('what a machine writes into a home by itself is no Steward, and goes to no other machine with a copy', async () => {
  const { path: home, remove } = await tempFolder('stw-place');
  // By whoever opens a repository, as restore-home itself, and by whoever prepares the users of the store and of drills.
  selfOf({ node: 'node_test', home });
  for (const file of [pgHome(home).createdUser, pgHome(home).createdScratchUser]) writeFileSync(file, '{}');
  mkdirSync(join(home, 'scratch'));

  await assertNoSteward(home);
  expect(await homeFiles(home, [])).toEqual({ state: [], keys: [] });

  writeFileSync(join(home, 'steward.yaml'), '');
  await expect(assertNoSteward(home)).rejects.toMatchObject({ code: 'CONFLICT' });
  expect((await homeFiles(home, [])).state).toEqual(['steward.yaml']);
  await remove();
});
