import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { tempFolder } from '../../testing/world/temp-folder.ts';
import { createPackageHistory } from './index.ts';

const LOG = `2026-03-01 09:59:59 startup archives unpack
2026-03-01 10:00:00 upgrade libssl3:amd64 3.0.15-1~deb12u1 3.0.16-1~deb12u1
2026-03-01 10:00:00 status half-configured libssl3:amd64 3.0.15-1~deb12u1
2026-03-01 10:00:01 install jq:amd64 <none> 1.6-2.1
2026-03-01 10:00:02 status installed jq:amd64 1.6-2.1
2026-03-01 10:30:00 remove nginx-light:amd64 1.22.1-9 <none>
`;

describe('what dpkg wrote down', () => {
  it('is told of a time, by the clock of the machine, without its small steps (recorded lines)', async () => {
    await using folder = await tempFolder();
    const path = join(folder.path, 'dpkg.log');
    await writeFile(path, LOG);
    const history = createPackageHistory({ path });
    const local = (time: string): Date => new Date(`2026-03-01T${time}`);

    expect(await history(local('10:00:00'), local('10:10:00'))).toEqual([
      { at: local('10:00:00'), name: 'libssl3', before: '3.0.15-1~deb12u1', after: '3.0.16-1~deb12u1' },
      { at: local('10:00:01'), name: 'jq', before: undefined, after: '1.6-2.1' },
    ]);
    expect(await history(local('10:10:00'), local('11:00:00'))).toEqual([
      { at: local('10:30:00'), name: 'nginx-light', before: '1.22.1-9', after: undefined },
    ]);
  });

  it('is nothing where there is no dpkg', async () => {
    expect(await createPackageHistory({ path: '/nowhere/dpkg.log' })(new Date(0), new Date())).toEqual([]);
  });
});
