import { chmod, readdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { BackupRepository } from '../../../core/backup/repository.ts';
import type { CopyStore } from '../../../core/backup/store.ts';
import { tempFolder } from '../../../testing/world/temp-folder.ts';
import { UNFINISHED } from './layout.ts';
import { doing, openStore, repositoryContract } from '../repository.contract.ts';

const AT = new Date('2026-11-29T20:15:00.123Z');

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

/** Root is kept from nothing by a mode. */
async function asNobody(work: () => Promise<unknown>): Promise<void> {
  const isRoot = process.getuid?.() === 0;
  if (isRoot) process.seteuid?.(65_534);
  try {
    await work();
  } finally {
    if (isRoot) process.seteuid?.(0);
  }
}

/** What it left there. */
async function failedAttempt(store: CopyStore, root: string): Promise<string | undefined> {
  const unfinished = join(root, UNFINISHED);
  const failed = await store.begin({ id: 'copy', source: 'shop', at: AT }, doing);
  await chmod(unfinished, 0o500);
  await asNobody(async () => await expect(failed.abandon()).rejects.toThrow(/EACCES/));
  await chmod(unfinished, 0o700);
  return (await readdir(unfinished))[0];
}

it('begins a copy anew whose attempt could not be taken back, and sweeps that away, and no living one', async () => {
  await using folder = await tempFolder();
  const path = join(folder.path, 'copies');
  const store = openStore(
    { repository: BackupRepository.parse({ kind: 'directory', name: 'disk', path }) },
    folder.path,
  );
  await store.prepare(doing);
  const left = await failedAttempt(store, path);
  const order = { id: 'copy', source: 'shop', at: AT };
  const again = await store.begin(order, doing);
  expect(await readdir(join(path, UNFINISHED))).not.toContain(left);
  await expect(store.begin(order, doing)).rejects.toMatchObject({ code: 'LOCKED' });
  expect(await store.sweep(new Set(), doing)).toEqual([]);
  await again.abandon();
});

it('loses what a dead attempt left also where it only takes', async () => {
  await using folder = await tempFolder();
  const path = join(folder.path, 'copies');
  const repository = BackupRepository.parse({ kind: 'directory', name: 'disk', path, appendOnly: true });
  const store = openStore({ repository }, folder.path);
  await store.prepare(doing);
  const left = await failedAttempt(store, path);
  expect(await store.sweep(new Set(), doing)).toEqual([left]);
  expect(await readdir(join(path, UNFINISHED))).toEqual([]);
});
