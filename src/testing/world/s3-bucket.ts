import { createOutbound } from '../../adapters/outbound/outbound.ts';
import { s3Address } from '../../adapters/repositories/restic/s3-address.ts';
import { createS3, type S3, type S3Request, textOf } from '../../adapters/repositories/restic/s3-request.ts';
import { defined } from '../defined.ts';
import type { S3Server } from './ceph.ts';

interface Version {
  readonly key: string;
  readonly id: string;
  readonly marker: boolean;
  readonly latest: boolean;
}

export interface Bucket {
  /** Rejects on any other answer than a good one. */
  ask(request: S3Request): Promise<string>;
  /** Any answer. */
  raw: S3;
  versions(): Promise<Version[]>;
}

/** A bucket that is made here, by whoever owns the server. */
export async function makeBucket(server: S3Server, name: string, { locking = false } = {}): Promise<Bucket> {
  const address = defined(s3Address({ url: `s3:${server.url}/${name}`, options: [] }));
  const raw = createS3(address, server, { outbound: createOutbound(), now: () => new Date() });
  async function ask(request: S3Request): Promise<string> {
    const { status, body } = await raw(request);
    if (status >= 300) throw new Error(`${request.method ?? 'GET'} of ${name}: ${status} ${body.slice(0, 300)}`);
    return body;
  }
  await ask({ method: 'PUT', ...(locking && { headers: { 'x-amz-bucket-object-lock-enabled': 'true' } }) });
  return {
    raw,
    ask,
    async versions() {
      const listed = await ask({ query: { versions: '' } });
      if (textOf(listed, 'IsTruncated') === 'true') throw new Error('more versions than a test should have');
      return [...listed.matchAll(/<(Version|DeleteMarker)>(.*?)<\/\1>/gs)].map(([, kind, inner = '']) => ({
        key: defined(textOf(inner, 'Key')),
        id: defined(textOf(inner, 'VersionId')),
        marker: kind === 'DeleteMarker',
        latest: textOf(inner, 'IsLatest') === 'true',
      }));
    },
  };
}

/** What the bucket locks whatever is written to it with. */
export async function retain(bucket: Bucket, mode: 'COMPLIANCE' | 'GOVERNANCE', days: number): Promise<void> {
  const rule = `<Rule><DefaultRetention><Mode>${mode}</Mode><Days>${days}</Days></DefaultRetention></Rule>`;
  const body = `<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled>${rule}</ObjectLockConfiguration>`;
  await bucket.ask({ method: 'PUT', query: { 'object-lock': '' }, body });
}
