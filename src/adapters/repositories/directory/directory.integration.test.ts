import { join } from 'node:path';
import { BackupRepository } from '../../../core/backup/repository.ts';
import { tempFolder } from '../../../testing/world/temp-folder.ts';
import { repositoryContract } from '../repository.contract.ts';

repositoryContract('a directory', async () => {
  const folder = await tempFolder();
  return {
    repository: BackupRepository.parse({ kind: 'directory', name: 'disk', path: join(folder.path, 'copies') }),
    close: folder.remove,
  };
});
