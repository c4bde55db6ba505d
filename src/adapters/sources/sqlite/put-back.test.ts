import { chmod, chown, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type TempFolder, tempFolder } from '../../../testing/world/temp-folder.ts';
import { putBack } from './put-back.ts';

const isRoot = process.getuid?.() === 0;
const NOBODY = 65_534;
let folder: TempFolder;
beforeAll(async () => {
  folder = await tempFolder('stw-put-back');
});
afterAll(() => folder.remove());

/** Root is kept from nothing by a mode. */
async function asNobody<T>(work: () => Promise<T>): Promise<T> {
  if (!isRoot) return work();
  process.seteuid?.(NOBODY);
  try {
    return await work();
  } finally {
    process.seteuid?.(0);
  }
}

it('loses neither the original nor its log where the folder cannot be brought to disk once it is replaced', async () => {
  const place = join(folder.path, 'place');
  const path = join(place, 'shop.db');
  await mkdir(place);
  await writeFile(path, 'original');
  await writeFile(`${path}-wal`, 'its log');
  if (isRoot) {
    await chmod(folder.path, 0o755);
    for (const each of [place, path, `${path}-wal`]) await chown(each, NOBODY, 0);
  }
  // Names can be made and changed in it, and it cannot be opened.
  await chmod(place, 0o300);
  const done = asNobody(() =>
    putBack(
      path,
      (async function* () {
        yield Buffer.from('restored');
      })(),
      undefined,
      {
        stamp: 'second',
        keptAs: 'run',
        staged: async () => undefined,
        settle: async () => undefined,
        lease: undefined,
      },
    ),
  );
  await expect(done).rejects.toMatchObject({
    message: expect.stringContaining(`${path} is the restored one`) as unknown,
    hint: expect.stringContaining(`${path}.before-run`) as unknown,
  });
  await chmod(place, 0o700);
  const text = (end: string): Promise<string | undefined> => readFile(path + end, 'utf8').catch(() => undefined);
  expect(await text('')).toBe('restored');
  expect(await text('-wal')).toBeUndefined();
  expect(await text('.before-run')).toBe('original');
  expect(await text('.before-run-wal')).toBe('its log');
});
