import { readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { SealedCopy, SourceReader } from '../../core/backup/reader.ts';
import { FilesSource } from '../../core/backup/source.ts';
import { backupsOver } from '../../testing/backup/backups-over.ts';
import { makeCopy } from '../../testing/backup/make-copy.ts';
import { plainStore } from '../../testing/backup/plain-store.ts';
import { type TempFolder, tempFolder } from '../../testing/world/temp-folder.ts';
import { createPrograms } from '../programs/index.ts';
import { createFilesReader } from '../sources/files/index.ts';

const doing = { signal: new AbortController().signal };
let folder: TempFolder;
beforeAll(async () => {
  folder = await tempFolder('stw-reach');
});
afterAll(() => folder.remove());

it('takes nothing for a copy that was made as another one, or with another content, however whole it is', async () => {
  const at = (...names: string[]): string => join(folder.path, ...names);
  const deps = {
    programs: createPrograms({ environment: process.env }),
    scratch: at('scratch'),
    now: () => new Date(),
  };
  const store = plainStore(at('store'));
  const page = at('page');
  const source = FilesSource.parse({ kind: 'files', name: 'docs', paths: [page] });
  const reader = createFilesReader(deps);
  const made: SealedCopy[] = [];
  for (const text of ['of Monday', 'of Tuesday, and longer']) {
    await writeFile(page, text);
    made.push(await makeCopy(reader, source, store, doing));
  }
  const [monday, tuesday] = made as [SealedCopy, SealedCopy];
  const backups = backupsOver(store, {
    ...deps,
    sources: () => [source],
    readers: [reader as SourceReader],
    recorded: async ({ location }) => {
      const known = made.find((each) => each.location === location);
      return known && { id: known.manifest.copy, contents: known.manifest.contents };
    },
  });
  const place = { source: 'docs', repository: 'plain', location: monday.location };
  const to = { kind: 'folder', path: at('restored') } as const;
  const asked = () => [
    backups.inspect(place, 'bytes', doing),
    backups.inspect(place, 'structure', doing),
    backups.drill(place, 'run_1', doing),
    backups.compare(place, doing),
    backups.manifest(place, doing),
    backups.restore(place, to, doing),
  ];
  const refused = async (says: RegExp): Promise<void> => {
    for (const each of await Promise.allSettled(asked()))
      expect(each).toMatchObject({
        status: 'rejected',
        reason: { code: 'VERIFICATION_FAILED', message: expect.stringMatching(says) as unknown },
      });
  };
  expect(await backups.inspect(place, 'bytes', doing)).toMatchObject({ ok: true });

  const [one, other] = [at('store', monday.location), at('store', tuesday.location)];
  await rename(one, at('aside'));
  await rename(other, one);
  await rename(at('aside'), other);
  await refused(new RegExp(`is the copy ${tuesday.manifest.copy}: ${monday.manifest.copy} was made there`));

  // Whoever can write there can write the name of the copy, too.
  const seal = join(one, 'manifest.json');
  await writeFile(seal, (await readFile(seal, 'utf8')).replaceAll(tuesday.manifest.copy, monday.manifest.copy));
  await refused(/does not hold what was copied then/);
});
