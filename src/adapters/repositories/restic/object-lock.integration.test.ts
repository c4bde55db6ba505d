import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BackupRepository } from '../../../core/backup/repository.ts';
import type { CopyStore } from '../../../core/backup/store.ts';
import { cephMissing, type S3Server, startCeph } from '../../../testing/world/ceph.ts';
import { makeBucket, retain } from '../../../testing/world/s3-bucket.ts';
import { hasProgram } from '../../../testing/world/start-program.ts';
import { type TempFolder, tempFolder } from '../../../testing/world/temp-folder.ts';
import { allOf, bytesOf, doing, openStore, sealCopy } from '../repository.contract.ts';

describe.skipIf(!hasProgram('restic'))('object lock (needs restic)', () => {
  describe.skipIf(cephMissing())(`of a gateway of Ceph (${cephMissing() ?? 'real'})`, () => {
    let server: S3Server;
    let home: TempFolder;
    beforeAll(async () => {
      [server, home] = await Promise.all([startCeph(), tempFolder()]);
    }, 120_000);
    afterAll(async () => {
      await server?.stop();
      await home?.remove();
    });

    const storeIn = (
      bucket: string,
      {
        objectLock = true,
        url = server.url,
        secret = server.secretKey,
        env = true,
      }: { objectLock?: boolean | { days: number }; url?: string; secret?: string; env?: boolean } = {},
    ): CopyStore =>
      openStore(
        {
          repository: BackupRepository.parse({
            kind: 'restic',
            name: bucket,
            url: `s3:${url}/${bucket}/steward`,
            objectLock,
            ...(env && {
              env: { AWS_ACCESS_KEY_ID: { env: 'TEST_ACCESS_KEY' }, AWS_SECRET_ACCESS_KEY: { env: 'TEST_SECRET_KEY' } },
            }),
          }),
          variables: { TEST_ACCESS_KEY: server.accessKey, TEST_SECRET_KEY: secret },
        },
        home.path,
      );

    it('says for how long and in which mode, and that governance can be broken', async () => {
      const bucket = await makeBucket(server, 'locked', { locking: true });
      await retain(bucket, 'COMPLIANCE', 30);
      expect(await storeIn('locked').objectLock(doing)).toMatchObject({
        state: 'locked',
        mode: 'COMPLIANCE',
        days: 30,
      });
      expect(await storeIn('locked', { objectLock: { days: 30 } }).objectLock(doing)).toMatchObject({
        state: 'locked',
      });
      expect(await storeIn('locked', { objectLock: false }).objectLock(doing)).toBeUndefined();
      await retain(bucket, 'GOVERNANCE', 30);
      expect(await storeIn('locked').objectLock(doing)).toMatchObject({
        state: 'locked',
        message: expect.stringContaining('s3:BypassGovernanceRetention'),
      });
    }, 60_000);

    it('calls nothing locked that is not, and says what is missing', async () => {
      await makeBucket(server, 'plain');
      expect(await storeIn('plain').objectLock(doing)).toMatchObject({
        state: 'unlocked',
        message: expect.stringContaining('keeps no versions'),
      });
      const versioned = await makeBucket(server, 'versioned');
      await versioned.ask({
        method: 'PUT',
        query: { versioning: '' },
        body: '<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>',
      });
      expect(await storeIn('versioned').objectLock(doing)).toMatchObject({
        state: 'unlocked',
        message: expect.stringContaining('no object lock'),
      });
      const bucket = await makeBucket(server, 'no-default', { locking: true });
      expect(await storeIn('no-default').objectLock(doing)).toMatchObject({
        state: 'unlocked',
        message: expect.stringContaining('no default retention'),
      });
      await retain(bucket, 'COMPLIANCE', 7);
      expect(await storeIn('no-default', { objectLock: { days: 30 } }).objectLock(doing)).toMatchObject({
        state: 'unlocked',
        days: 7,
        message: expect.stringContaining('7 days, and not for the 30'),
      });
    }, 60_000);

    it('knows nothing where it is refused or has no credentials, and rejects where nobody answers', async () => {
      await makeBucket(server, 'refusing', { locking: true });
      expect(await storeIn('refusing', { secret: 'wrong' }).objectLock(doing)).toMatchObject({
        state: 'unknown',
        message: expect.stringContaining('SignatureDoesNotMatch'),
      });
      expect(await storeIn('never-made').objectLock(doing)).toMatchObject({
        state: 'unknown',
        message: expect.stringContaining('NoSuchBucket'),
      });
      expect(await storeIn('refusing', { env: false }).objectLock(doing)).toMatchObject({ state: 'unknown' });
      await expect(storeIn('refusing', { url: 'http://127.0.0.1:1' }).objectLock(doing)).rejects.toMatchObject({
        code: 'UNAVAILABLE',
      });
    }, 60_000);

    it('keeps what is deleted with our own credentials, and gives it back once the markers are gone', async () => {
      const bucket = await makeBucket(server, 'attacked', { locking: true });
      await retain(bucket, 'COMPLIANCE', 1);
      const store = storeIn('attacked');
      await store.prepare(doing);
      const content = randomBytes(2_000_000);
      const { location, part } = await sealCopy(store, 'whole', bytesOf(content));
      const written = (await bucket.versions()).filter(({ marker, latest }) => latest && !marker);
      expect(written.length).toBeGreaterThan(4);

      for (const { key } of written) await bucket.ask({ method: 'DELETE', key });
      await expect(store.list(doing)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
      // Nor are the versions themselves theirs to delete.
      for (const { key, id } of written)
        expect(await bucket.raw({ method: 'DELETE', key, query: { versionId: id } })).toMatchObject({ status: 403 });

      const markers = (await bucket.versions()).filter(({ marker, latest }) => marker && latest);
      const laid = markers.filter(({ key }) => !key.includes('/locks/'));
      for (const { key, id } of laid) await bucket.ask({ method: 'DELETE', key, query: { versionId: id } });

      expect(await store.check(location, doing)).toMatchObject({ ok: true });
      expect(Buffer.compare(await allOf(store.read(location, part, doing)), content)).toBe(0);
      expect(await store.state(doing)).toMatchObject({ ok: true, locks: [] });
    }, 120_000);

    it('hides what retention removes, and keeps every byte of it', async () => {
      const bucket = await makeBucket(server, 'pruned', { locking: true });
      await retain(bucket, 'COMPLIANCE', 1);
      const store = storeIn('pruned');
      await store.prepare(doing);
      const going = await sealCopy(store, 'going', bytesOf(randomBytes(1_000_000)));
      const staying = await sealCopy(store, 'staying');
      const before = (await bucket.versions()).filter(({ marker }) => !marker).map(({ id }) => id);

      await store.remove(going.location, doing);
      await store.compact(doing);
      expect((await store.list(doing)).map(({ id }) => id)).toEqual(['staying']);
      expect(await store.check(staying.location, doing)).toMatchObject({ ok: true });
      const after = await bucket.versions();
      expect(after.filter(({ marker }) => !marker).map(({ id }) => id)).toEqual(expect.arrayContaining(before));
      expect(
        after.filter(({ key, marker, latest }) => marker && latest && key.includes('/data/')).length,
      ).toBeGreaterThan(0);
    }, 120_000);
  });
});
