import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { BackupRepository } from '../../../core/backup/repository.ts';
import { hasProgram } from '../../../testing/world/start-program.ts';
import { tempFolder } from '../../../testing/world/temp-folder.ts';
import { doing, openStore, repositoryContract, sealCopy } from '../repository.contract.ts';

describe.skipIf(!hasProgram('restic'))('restic (needs restic)', () => {
  repositoryContract('on a disk', async () => {
    const folder = await tempFolder();
    return {
      repository: BackupRepository.parse({ kind: 'restic', name: 'disk', url: join(folder.path, 'restic') }),
      close: folder.remove,
    };
  });

  it('finds a copy by hand under the name that it would have in a directory', async () => {
    await using home = await tempFolder();
    const url = join(home.path, 'restic');
    const store = openStore({ repository: BackupRepository.parse({ kind: 'restic', name: 'disk', url }) }, home.path);
    await store.prepare(doing);
    await sealCopy(store, 'early');
    await sealCopy(store, 'late', undefined, new Date('2026-11-29T09:00:00.250Z'));
    const found = (key: string): string[] => {
      const args = [
        '-r',
        url,
        '-p',
        join(home.path, 'backup-keys', 'disk'),
        'snapshots',
        '--json',
        '--tag',
        `key=${key}`,
      ];
      const snapshots = JSON.parse(execFileSync('restic', args, { encoding: 'utf8' })) as { tags: string[] }[] | null;
      return [...new Set((snapshots ?? []).flatMap(({ tags }) => tags.filter((tag) => tag.startsWith('copy='))))];
    };
    expect(found('shop/20261129_030000')).toEqual(['copy=early']);
    expect(found('shop/20261129_090000')).toEqual(['copy=late']);
    expect(found('shop/20261129_040000')).toEqual([]);
  }, 60_000);
});
