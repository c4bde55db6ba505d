import { execFileSync } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { BackupRepository } from '../../core/backup/repository.ts';
import { recoveryKit } from '../../core/backup/recovery-kit.ts';
import { hasProgram } from '../../testing/world/start-program.ts';
import { type TempFolder, tempFolder } from '../../testing/world/temp-folder.ts';
import { AT, bytesOf, doing, manifestOf, openStore } from './repository.contract.ts';

/** A copy with a dump of a database of an ugly name, one without content, and a tree; and the page for it. */
async function kitFor(folder: TempFolder, repository: BackupRepository): Promise<{ page: string; tree: string }> {
  const tree = join(folder.path, "it's a tree");
  await mkdir(tree);
  await writeFile(join(tree, 'a file'), 'of the tree');
  const store = openStore({ repository }, folder.path);
  await store.prepare(doing);
  const writer = await store.begin({ id: 'kit', source: 'shop', at: AT }, doing);
  const dump = await writer.part({ name: "sh'op $(id).dump", kind: 'dump' }, bytesOf('the dump'));
  const empty = await writer.part({ name: 'empty.sql', kind: 'schema' }, bytesOf());
  const {
    files: _,
    unreadable: __,
    changed: ___,
    ...files
  } = await writer.tree({ name: 'files.tar' }, { paths: [tree], exclude: [] });
  const manifest = { ...manifestOf('kit', [dump, empty, files]), source: { name: 'shop', kind: 'volume' } };
  const { location } = await writer.seal(manifest);
  const key = await readFile(join(folder.path, 'backup-keys', repository.name), 'utf8').then(
    (text) => text.trim(),
    () => undefined,
  );
  const page = recoveryKit({
    node: 'alpha',
    at: AT,
    repositories: [{ repository, key }],
    copies: [{ repository: repository.name, location, manifest }],
    restoreTo: join(folder.path, 'back again'),
  });
  return { page, tree };
}

/** Runs what the page says, as a person does: each block in a shell of a machine that has no Steward. */
function follow(page: string, folder: TempFolder): void {
  const blocks = [...page.matchAll(/```sh\n(.*?)```/gs)].map(([, commands]) => commands ?? '');
  expect(blocks.length).toBeGreaterThan(2);
  const environment = { PATH: process.env['PATH'], HOME: folder.path, RESTIC_CACHE_DIR: join(folder.path, 'cache') };
  execFileSync('sh', ['-e', '-c', blocks.join('\n')], { env: environment, stdio: 'pipe' });
}

describe('the commands of a recovery kit', () => {
  it('restore a copy from a directory, run as they are printed', async () => {
    await using folder = await tempFolder();
    const path = join(folder.path, "a d'isk");
    const { page, tree } = await kitFor(folder, BackupRepository.parse({ kind: 'directory', name: 'disk', path }));

    follow(page, folder);

    expect(await readFile(join(folder.path, 'back again/sh%27op%20%24%28id%29.dump'), 'utf8')).toBe('the dump');
    expect(await readFile(join(folder.path, 'back again/empty.sql'), 'utf8')).toBe('');
    expect(await readFile(join(folder.path, 'back again', tree, 'a file'), 'utf8')).toBe('of the tree');
  }, 60_000);

  it.skipIf(!hasProgram('restic'))(
    'restore a copy from restic, run as they are printed (needs restic)',
    async () => {
      await using folder = await tempFolder();
      const url = join(folder.path, 'restic');
      const { page, tree } = await kitFor(folder, BackupRepository.parse({ kind: 'restic', name: 'far', url }));

      follow(page, folder);

      expect(await readFile(join(folder.path, 'back again/sh%27op%20%24%28id%29.dump'), 'utf8')).toBe('the dump');
      expect(await readFile(join(folder.path, 'back again/empty.sql'), 'utf8')).toBe('');
      expect(await readFile(join(folder.path, 'back again', tree, 'a file'), 'utf8')).toBe('of the tree');
      expect(page).not.toContain('without it the copies cannot be read');
    },
    60_000,
  );

  it('say that a key is missing, and where secrets came from, without inventing any', () => {
    const repository = BackupRepository.parse({
      kind: 'restic',
      name: 'bucket',
      url: 's3:https://example.test/bucket',
      env: { AWS_ACCESS_KEY_ID: { env: 'SPACES_ACCESS_KEY' } },
    });
    const page = recoveryKit({ node: 'alpha', at: AT, repositories: [{ repository }], copies: [] });
    expect(page).toContain('Its key is not in this kit');
    expect(page).toContain(
      '**AWS_ACCESS_KEY_ID is not in this kit: Steward could not read it from {"env":"SPACES_ACCESS_KEY"}.',
    );
  });
});
