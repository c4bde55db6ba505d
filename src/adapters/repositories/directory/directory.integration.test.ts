import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { BackupRepository } from '../../../core/backup/repository.ts';
import { tempFolder } from '../../../testing/world/temp-folder.ts';
import { doing, openStore, repositoryContract } from '../repository.contract.ts';

repositoryContract('a directory', async () => {
  const folder = await tempFolder();
  return {
    repository: BackupRepository.parse({ kind: 'directory', name: 'disk', path: join(folder.path, 'copies') }),
    close: folder.remove,
  };
});

it('is missed when its disk is gone, also by a Steward that did not make it', async () => {
  await using folder = await tempFolder();
  const path = join(folder.path, 'disk');
  const place = { repository: BackupRepository.parse({ kind: 'directory', name: 'disk', path }) };
  await openStore(place, join(folder.path, 'maker')).prepare(doing);
  const adopter = openStore(place, join(folder.path, 'adopter'));
  await adopter.prepare(doing);
  await adopter.prepare(doing);
  await rename(path, join(folder.path, 'unplugged'));

  await expect(adopter.prepare(doing)).rejects.toMatchObject({
    code: 'UNAVAILABLE',
    message: expect.stringContaining('is not there now'),
  });
});
