import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BackupRepository } from '../../../core/backup/repository.ts';
import type { CopyStore } from '../../../core/backup/store.ts';
import { cephMissing, type S3Server, startCeph } from '../../../testing/world/ceph.ts';
import { defined } from '../../../testing/defined.ts';
import { type Bucket, makeBucket, retain } from '../../../testing/world/s3-bucket.ts';
import { hasProgram } from '../../../testing/world/start-program.ts';
import { type TempFolder, tempFolder } from '../../../testing/world/temp-folder.ts';
import { allOf, bytesOf, doing, openStore, sealCopy } from '../repository.contract.ts';
import { textOf } from './s3-request.ts';

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

    it('says until when all of a copy is locked, and locks it for longer, never for less', async () => {
      const bucket = await makeBucket(server, 'ageing', { locking: true });
      await retain(bucket, 'COMPLIANCE', 1);
      const store = storeIn('ageing');
      await store.prepare(doing);
      await sealCopy(store, 'old', bytesOf(randomBytes(1_000_000)));
      // As if most of thirty days had gone by: what was written first is locked for one day more.
      await retain(bucket, 'COMPLIANCE', 30);
      await sealCopy(store, 'new');
      const short = await store.objectLock(doing);
      expect(short).toMatchObject({
        state: 'unlocked',
        days: 30,
        message: expect.stringContaining('locked only until'),
      });
      expect(daysUntil(short?.until)).toBeCloseTo(1, 1);

      const renewal = await store.renewLock(doing);
      expect(renewal).toMatchObject({ lock: { state: 'locked', mode: 'COMPLIANCE' } });
      expect(renewal?.renewed).toBeGreaterThan(3);
      expect(renewal?.refused).toBeUndefined();
      expect(daysUntil(renewal?.lock.until)).toBeCloseTo(30, 1);
      expect(await store.objectLock(doing)).toEqual(renewal?.lock);
      const kept = await retentions(bucket);
      expect(Object.keys(kept).map((key) => key.split('/')[1])).toEqual(
        expect.arrayContaining(['config', 'keys', 'index', 'snapshots', 'data']),
      );
      for (const { mode, days } of Object.values(kept)) {
        expect(mode).toBe('COMPLIANCE');
        expect(days).toBeCloseTo(30, 1);
      }
      expect(await store.renewLock(doing)).toEqual({ lock: renewal?.lock, renewed: 0 });
      await retain(bucket, 'COMPLIANCE', 3);
      expect(await store.renewLock(doing)).toMatchObject({ renewed: 0, lock: { state: 'locked', days: 3 } });
      expect(await retentions(bucket)).toEqual(kept);
    }, 120_000);

    it('says of what was written in governance mode that it can be broken still, and locks that for longer, too', async () => {
      const bucket = await makeBucket(server, 'mixed', { locking: true });
      await retain(bucket, 'GOVERNANCE', 1);
      const store = storeIn('mixed');
      await store.prepare(doing);
      await retain(bucket, 'COMPLIANCE', 30);
      await sealCopy(store, 'new');
      const renewal = await store.renewLock(doing);
      expect(renewal).toMatchObject({ lock: { state: 'locked', mode: 'GOVERNANCE' } });
      expect(renewal?.refused).toBeUndefined();
      expect(renewal?.lock.message).toContain('some of it in GOVERNANCE mode: only who has the right');
      expect(daysUntil(renewal?.lock.until)).toBeCloseTo(30, 1);
    }, 120_000);

    it('says that the bucket refuses to lock for longer, and until when it is locked then', async () => {
      const bucket = await makeBucket(server, 'stubborn', { locking: true });
      await retain(bucket, 'COMPLIANCE', 3);
      const store = storeIn('stubborn');
      await store.prepare(doing);
      await sealCopy(store, 'old');
      await retain(bucket, 'COMPLIANCE', 10);
      const deny = {
        Effect: 'Deny',
        Principal: '*',
        Action: 's3:PutObjectRetention',
        Resource: 'arn:aws:s3:::stubborn/*',
      };
      const policy = JSON.stringify({ Version: '2012-10-17', Statement: [deny] });
      await bucket.ask({ method: 'PUT', query: { policy: '' }, body: policy });
      const renewal = await store.renewLock(doing);
      expect(renewal).toMatchObject({ renewed: 0, refused: 'AccessDenied', lock: { state: 'locked' } });
      expect(renewal?.lock.message).toContain('it is not renewed, since the bucket refuses that (AccessDenied)');
      expect(daysUntil(renewal?.lock.until)).toBeCloseTo(3, 1);
    }, 120_000);

    it('locks all else for longer where the bucket refuses that of one object', async () => {
      const bucket = await makeBucket(server, 'particular', { locking: true });
      await retain(bucket, 'COMPLIANCE', 1);
      const store = storeIn('particular');
      await store.prepare(doing);
      for (let count = 0; count < 6; count += 1) await sealCopy(store, `copy${count}`, bytesOf(randomBytes(1_000)));
      await retain(bucket, 'COMPLIANCE', 30);
      const Resource = 'arn:aws:s3:::particular/steward/config';
      const deny = { Effect: 'Deny', Principal: '*', Action: 's3:PutObjectRetention', Resource };
      const policy = JSON.stringify({ Version: '2012-10-17', Statement: [deny] });
      await bucket.ask({ method: 'PUT', query: { policy: '' }, body: policy });
      const kept = Object.keys(await retentions(bucket));
      expect(kept.length).toBeGreaterThan(17);
      expect(await store.renewLock(doing)).toMatchObject({
        renewed: kept.length - 1,
        refused: 'AccessDenied',
        lock: { state: 'unlocked', message: expect.stringContaining('steward/config is locked only until') },
      });
    }, 120_000);

    it('calls nothing locked of which somebody deleted what all of it is read with', async () => {
      const bucket = await makeBucket(server, 'headless', { locking: true });
      await retain(bucket, 'COMPLIANCE', 30);
      const store = storeIn('headless');
      await store.prepare(doing);
      await sealCopy(store, 'whole');
      await bucket.ask({ method: 'DELETE', key: 'steward/config' });
      const told = { state: 'unlocked', message: expect.stringContaining('steward/config is gone') };
      expect(await store.objectLock(doing)).toMatchObject(told);
      expect(await store.renewLock(doing)).toMatchObject({ lock: told });
      const marker = (await bucket.versions()).find((each) => each.marker && each.key === 'steward/config');
      await bucket.ask({ method: 'DELETE', key: 'steward/config', query: { versionId: defined(marker).id } });
      expect(await store.objectLock(doing)).toMatchObject({ state: 'locked', until: expect.any(String) });
    }, 120_000);

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

const daysUntil = (instant: string | undefined): number => (Date.parse(instant ?? '') - Date.now()) / 86_400_000;

/** Of every version that is the newest of its object, without those that restic locks others out with. */
async function retentions(bucket: Bucket): Promise<Record<string, { mode: string | undefined; days: number }>> {
  const found: Record<string, { mode: string | undefined; days: number }> = {};
  for (const { key, latest, marker } of await bucket.versions()) {
    if (!latest || marker || key.includes('/locks/')) continue;
    const said = await bucket.ask({ key, query: { retention: '' } });
    found[key] = {
      mode: textOf(said, 'Mode'),
      days: Math.round(daysUntil(textOf(said, 'RetainUntilDate')) * 100) / 100,
    };
  }
  return found;
}
