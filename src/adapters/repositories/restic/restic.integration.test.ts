import { join } from 'node:path';
import { describe } from 'vitest';
import { BackupRepository } from '../../../core/backup/repository.ts';
import { cephMissing, startCeph } from '../../../testing/world/ceph.ts';
import { sftpMissing, startSftp } from '../../../testing/world/sftp-server.ts';
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

  describe.skipIf(sftpMissing())(`behind sshd (${sftpMissing() ?? 'real'})`, () => {
    repositoryContract('by SFTP', async () => {
      const server = await startSftp();
      return {
        repository: BackupRepository.parse({
          kind: 'restic',
          name: 'far',
          url: `sftp:${server.user}@127.0.0.1:${server.folder}/restic`,
          options: [`sftp.command=${server.command()}`],
        }),
        close: server.stop,
      };
    });
  });

  describe.skipIf(cephMissing())(`behind a gateway of Ceph (${cephMissing() ?? 'real'})`, () => {
    repositoryContract('by S3', async () => {
      const server = await startCeph();
      return {
        repository: BackupRepository.parse({
          kind: 'restic',
          name: 'bucket',
          url: `s3:${server.url}/copies/steward`,
          env: { AWS_ACCESS_KEY_ID: { env: 'TEST_ACCESS_KEY' }, AWS_SECRET_ACCESS_KEY: { env: 'TEST_SECRET_KEY' } },
        }),
        variables: { TEST_ACCESS_KEY: server.accessKey, TEST_SECRET_KEY: server.secretKey },
        close: server.stop,
      };
    });
  });
});
