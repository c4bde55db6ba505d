import { describe } from 'vitest';
import { BackupRepository } from '../../../core/backup/repository.ts';
import { sftpMissing, startSftp } from '../../../testing/world/sftp-server.ts';
import { hasProgram } from '../../../testing/world/start-program.ts';
import { repositoryContract } from '../repository.contract.ts';

describe.skipIf(!hasProgram('restic'))('restic (needs restic)', () => {
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
});
