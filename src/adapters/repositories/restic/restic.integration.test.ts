import { join } from 'node:path';
import { describe } from 'vitest';
import { BackupRepository } from '../../../core/backup/repository.ts';
import { hasProgram } from '../../../testing/world/start-program.ts';
import { tempFolder } from '../../../testing/world/temp-folder.ts';
import { repositoryContract } from '../repository.contract.ts';

describe.skipIf(!hasProgram('restic'))('restic (needs restic)', () => {
  repositoryContract('on a disk', async () => {
    const folder = await tempFolder();
    return {
      repository: BackupRepository.parse({ kind: 'restic', name: 'disk', url: join(folder.path, 'restic') }),
      close: folder.remove,
    };
  });
});
