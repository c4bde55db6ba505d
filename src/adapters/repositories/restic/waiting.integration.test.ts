import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { BackupRepository } from '../../../core/backup/repository.ts';
import { hasProgram } from '../../../testing/world/start-program.ts';
import { tempFolder } from '../../../testing/world/temp-folder.ts';
import { bytesOf, doing, openStore } from '../repository.contract.ts';

describe.skipIf(!hasProgram('restic'))('what waits to seal a copy (needs restic)', () => {
  it('leaves neither a snapshot nor a lock when the copy is given up', async () => {
    await using home = await tempFolder();
    const url = join(home.path, 'given-up');
    const repository = BackupRepository.parse({ kind: 'restic', name: 'given-up', url });
    const store = openStore({ repository }, home.path);
    await store.prepare(doing);
    const writer = await store.begin({ id: 'given-up', source: 'shop', at: new Date(), first: true }, doing);
    await writer.part({ name: 'shop.dump', kind: 'dump' }, bytesOf('all of it'));
    // One waits by its own lock, and only then is there something to leave.
    await expect.poll(() => readdir(join(url, 'locks')), { timeout: 20_000 }).toHaveLength(1);
    await writer.abandon();
    expect(await readdir(join(url, 'locks'))).toEqual([]);
    expect(await readdir(join(url, 'snapshots'))).toEqual([]);
  }, 60_000);
});
