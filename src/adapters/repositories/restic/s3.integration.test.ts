import { randomBytes } from 'node:crypto';
import { request } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BackupRepository } from '../../../core/backup/repository.ts';
import { cephMissing, type S3Server, startCeph } from '../../../testing/world/ceph.ts';
import { httpServers } from '../../../testing/world/http-server.ts';
import { hasProgram } from '../../../testing/world/start-program.ts';
import { tempFolder } from '../../../testing/world/temp-folder.ts';
import {
  bytesOf,
  doing,
  openStore,
  repositoryContract,
  type RepositoryPlace,
  sealCopy,
} from '../repository.contract.ts';

describe.skipIf(!hasProgram('restic'))('restic (needs restic)', () => {
  describe.skipIf(cephMissing())(`behind a gateway of Ceph (${cephMissing() ?? 'real'})`, () => {
    let server: S3Server;
    beforeAll(async () => {
      server = await startCeph();
    }, 120_000);
    afterAll(() => server?.stop());

    const place = (bucket: string, { url = server.url, secret = server.secretKey } = {}): RepositoryPlace => ({
      repository: BackupRepository.parse({
        kind: 'restic',
        name: 'bucket',
        url: `s3:${url}/${bucket}/steward`,
        env: { AWS_ACCESS_KEY_ID: { env: 'TEST_ACCESS_KEY' }, AWS_SECRET_ACCESS_KEY: { env: 'TEST_SECRET_KEY' } },
      }),
      variables: { TEST_ACCESS_KEY: server.accessKey, TEST_SECRET_KEY: secret },
      close: async () => {},
    });

    repositoryContract('by S3', async () => place('copies'));

    it('tells credentials that are refused, and loses nothing', async () => {
      await using home = await tempFolder();
      const store = openStore(place('refused'), home.path);
      await store.prepare(doing);
      const { location } = await sealCopy(store, 'whole');

      const refused = openStore(place('refused', { secret: 'wrong' }), home.path);
      await expect(refused.list(doing)).rejects.toMatchObject({
        code: 'FORBIDDEN',
        message: expect.stringMatching(/its credentials are refused .*signature/),
      });
      await expect(refused.begin({ id: 'next', source: 'shop', at: new Date() }, doing)).rejects.toMatchObject({
        code: 'FORBIDDEN',
      });
      expect((await refused.state(doing)).problem?.hint).toContain('AWS_ACCESS_KEY_ID');
      expect(await store.check(location, doing)).toMatchObject({ ok: true });
    }, 120_000);

    it('tells bytes that are not what was stored, when they are changed on the way back', async () => {
      await using home = await tempFolder();
      const servers = httpServers();
      const port = await servers.serve((asked, answer) => {
        const onward = request(
          `${server.url}${asked.url ?? ''}`,
          { method: asked.method ?? 'GET', headers: asked.headers },
          (given) => {
            answer.writeHead(given.statusCode ?? 502, given.headers);
            const lies = asked.method === 'GET' && asked.url?.includes('/data/') === true;
            given.on('data', (chunk: Buffer) => {
              if (lies && chunk.length > 50) chunk.writeUInt8(chunk.readUInt8(40) ^ 1, 40);
              answer.write(chunk);
            });
            given.on('end', () => answer.end());
          },
        );
        onward.on('error', () => answer.destroy());
        asked.pipe(onward);
      });
      try {
        const store = openStore(place('lying'), home.path);
        await store.prepare(doing);
        const { location } = await sealCopy(store, 'true', bytesOf(randomBytes(1_000_000)));

        const lying = openStore(place('lying', { url: `http://127.0.0.1:${port}` }), home.path);
        expect(await lying.check(location, doing)).toMatchObject({
          ok: false,
          statement: expect.stringMatching(/its data is damaged/),
        });
        expect(await store.check(location, doing)).toMatchObject({ ok: true });
      } finally {
        await servers.close();
      }
    }, 120_000);
  });
});
