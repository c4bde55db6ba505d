import { createHash, createHmac } from 'node:crypto';
import type { Outbound, OutboundRequest, OutboundResponse } from '../../outbound/outbound.ts';
import type { S3Address } from './s3-address.ts';

export interface S3Credentials {
  readonly accessKey: string;
  readonly secretKey: string;
  readonly sessionToken?: string | undefined;
}

export interface S3Request {
  readonly method?: OutboundRequest['method'];
  readonly key?: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly signal?: AbortSignal;
}

export type S3 = (asked: S3Request) => Promise<OutboundResponse>;

/**
 * Requests of a bucket, signed by version 4 of AWS. A bucket that says it is in another region than was thought is asked there, once.
 */
export function createS3(
  address: S3Address,
  credentials: S3Credentials,
  { outbound, now }: { readonly outbound: Pick<Outbound, 'request'>; readonly now: () => Date },
): S3 {
  async function ask(asked: S3Request, region: string): Promise<OutboundResponse> {
    const { method = 'GET', headers = {}, body = '' } = asked;
    const url = urlOf(address, region, asked);
    return await outbound.request({
      url: url.href,
      method,
      headers: signed({ method, url, headers, body }, credentials, { region, at: now() }),
      ...(body !== '' && { body }),
      ...(asked.signal && { signal: asked.signal }),
      maxResponseBytes: 4 * 1024 ** 2,
      // restic itself goes there, and an operator wrote it.
      allowPrivate: true,
    });
  }
  return async (asked) => {
    const answer = await ask(asked, address.region);
    const elsewhere = answer.headers['x-amz-bucket-region'] ?? textOf(answer.body, 'Region');
    const moved = answer.status === 301 || answer.status === 307 || answer.status === 400;
    return moved && elsewhere !== undefined && elsewhere !== address.region && /^[a-z0-9-]+$/.test(elsewhere)
      ? await ask(asked, elsewhere)
      : answer;
  };
}

/** Of the answers of a bucket, which nest nothing under the same name; the first one. */
export function textOf(xml: string, name: string): string | undefined {
  return new RegExp(`<${name}>([^<]*)</${name}>`).exec(xml)?.[1];
}

function urlOf({ endpoint, bucket, byName }: S3Address, region: string, { key, query = {} }: S3Request): URL {
  const url = new URL(endpoint);
  if (url.hostname === 's3.amazonaws.com' && region !== 'us-east-1') url.hostname = `s3.${region}.amazonaws.com`;
  if (byName) url.hostname = `${bucket}.${url.hostname}`;
  const parts = [...(byName ? [] : [bucket]), ...(key?.split('/') ?? [])];
  url.pathname = `/${parts.map(escaped).join('/')}`;
  url.search = queryOf(query);
  return url;
}

function signed(
  { method, url, headers, body }: { method: string; url: URL; headers: Readonly<Record<string, string>>; body: string },
  { accessKey, secretKey, sessionToken }: S3Credentials,
  { region, at }: { readonly region: string; readonly at: Date },
): Record<string, string> {
  const instant = at.toISOString().replaceAll(/[:-]|\.\d+/g, '');
  const day = instant.slice(0, 8);
  const scope = `${day}/${region}/s3/aws4_request`;
  const own: Record<string, string> = {
    ...headers,
    'x-amz-content-sha256': sha256(body),
    'x-amz-date': instant,
    ...(sessionToken !== undefined && { 'x-amz-security-token': sessionToken }),
  };
  const covered = Object.entries({ ...own, host: url.host }).toSorted(([a], [b]) => (a < b ? -1 : 1));
  const names = covered.map(([name]) => name).join(';');
  const lines = covered.map(([name, value]) => `${name}:${value.trim()}\n`).join('');
  const canonical = [method, url.pathname, url.search.slice(1), lines, names, sha256(body)].join('\n');
  const toSign = ['AWS4-HMAC-SHA256', instant, scope, sha256(canonical)].join('\n');
  const key = [day, region, 's3', 'aws4_request'].reduce<string | Buffer>(hmac, `AWS4${secretKey}`);
  const signature = hmac(key, toSign).toString('hex');
  return {
    ...own,
    authorization: `AWS4-HMAC-SHA256 Credential=${accessKey}/${scope}, SignedHeaders=${names}, Signature=${signature}`,
  };
}

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
const hmac = (key: string | Buffer, text: string): Buffer => createHmac('sha256', key).update(text).digest();

/** As signatures have it: all but letters, digits and -._~ */
const escaped = (text: string): string =>
  encodeURIComponent(text).replaceAll(/[!'()*]/g, (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`);

const queryOf = (query: Readonly<Record<string, string>>): string =>
  Object.entries(query)
    .map(([name, value]) => `${escaped(name)}=${escaped(value)}`)
    .toSorted()
    .join('&');
