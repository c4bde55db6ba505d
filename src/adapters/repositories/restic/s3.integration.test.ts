import { randomBytes } from 'node:crypto';
import { type IncomingMessage, request } from 'node:http';
import { buffer } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BackupRepository } from '../../../core/backup/repository.ts';
import { cephMissing, type S3Server, startCeph } from '../../../testing/world/ceph.ts';
import { httpServers } from '../../../testing/world/http-server.ts';
import { hasProgram } from '../../../testing/world/start-program.ts';
import { tempFolder } from '../../../testing/world/temp-folder.ts';
import {
  allOf,
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
      await using between = await standBetween(server.url, ({ method, url = '' }, given) => {
        if (method === 'GET' && url.includes('/data/') && given.length > 50)
          given.writeUInt8(given.readUInt8(40) ^ 1, 40);
        return given;
      });
      const store = openStore(place('lying'), home.path);
      await store.prepare(doing);
      const { location } = await sealCopy(store, 'true', bytesOf(randomBytes(1_000_000)));

      const lying = openStore(place('lying', { url: between.url }), home.path);
      expect(await lying.check(location, doing)).toMatchObject({
        ok: false,
        statement: expect.stringMatching(/its data is damaged/),
      });
      expect(await store.check(location, doing)).toMatchObject({ ok: true });
    }, 120_000);

    it('goes on where the lock of another was listed, and given back before it was read', async () => {
      await using home = await tempFolder();
      let ghosts = 0;
      await using between = await standBetween(server.url, ({ url = '' }, given) => {
        if (!url.includes('list-type=2') || !url.includes('locks') || ghosts >= 2) return given;
        ghosts += 1;
        const key = `steward/locks/${randomBytes(32).toString('hex')}`;
        const entry = `<Contents><Key>${key}</Key><LastModified>2026-11-29T03:00:00.000Z</LastModified><ETag>"0"</ETag><Size>155</Size><StorageClass>STANDARD</StorageClass></Contents>`;
        return Buffer.from(given.toString().replace('</ListBucketResult>', `${entry}</ListBucketResult>`));
      });
      const store = openStore(place('crowded', { url: between.url }), home.path);
      await store.prepare(doing);
      const { location, part } = await sealCopy(store, 'crowded', bytesOf('all ', 'of ', 'it'));
      expect(ghosts).toBe(2);
      expect((await allOf(store.read(location, part, doing))).toString()).toBe('all of it');
      expect((await store.state(doing)).locks).toEqual([]);
    }, 120_000);
  });
});

/** Passes everything on to the gateway, and alters what it answers. */
async function standBetween(
  to: string,
  alter: (asked: IncomingMessage, given: Buffer) => Buffer,
): Promise<AsyncDisposable & { readonly url: string }> {
  const servers = httpServers();
  const port = await servers.serve((asked, answer) => {
    const { method = 'GET', headers } = asked;
    const onward = request(`${to}${asked.url ?? ''}`, { method, headers }, (given) => {
      void buffer(given).then((whole) => {
        const altered = alter(asked, whole);
        const { 'transfer-encoding': _, ...kept } = given.headers;
        const length = method === 'HEAD' ? given.headers['content-length'] : altered.length;
        answer.writeHead(given.statusCode ?? 502, {
          ...kept,
          ...(length !== undefined && { 'content-length': length }),
        });
        answer.end(altered);
      });
    });
    onward.on('error', () => answer.destroy());
    asked.pipe(onward);
  });
  return { url: `http://127.0.0.1:${port}`, [Symbol.asyncDispose]: () => servers.close() };
}
