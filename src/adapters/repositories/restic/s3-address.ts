/** Where a bucket is, as restic reads its address. */
export interface S3Address {
  readonly endpoint: URL;
  readonly bucket: string;
  /** Below which the repository lies; '' for the whole bucket. */
  readonly prefix: string;
  readonly region: string;
  /** The bucket is in the name of the host, and not in the path. */
  readonly byName: boolean;
}

interface Given {
  readonly url: string;
  readonly options: readonly string[];
  /** AWS_DEFAULT_REGION, where it is set. */
  readonly region?: string | undefined;
}

/** s3:https://host/bucket/prefix, s3:host/bucket/prefix and s3://host/bucket/prefix; undefined for any other. */
export function s3Address({ url, options, region }: Given): S3Address | undefined {
  const place = /^s3:(?:\/\/)?(.*)$/s.exec(url)?.[1];
  const parsed = place === undefined ? null : URL.parse(/^https?:\/\//.test(place) ? place : `https://${place}`);
  const [bucket = '', ...below] = parsed?.pathname.split('/').filter((part) => part !== '') ?? [];
  if (!parsed || bucket === '') return undefined;
  const option = (name: string): string | undefined =>
    options.find((each) => each.startsWith(`s3.${name}=`))?.slice(name.length + 4);
  const ofHost = /^s3[.-](?:dualstack\.)?([a-z]{2}(?:-[a-z]+)+-\d)\.amazonaws\.com/.exec(parsed.hostname)?.[1];
  return {
    endpoint: new URL(parsed.origin),
    bucket: decodeURIComponent(bucket),
    prefix: below.map(decodeURIComponent).join('/'),
    region: option('region') ?? region ?? ofHost ?? 'us-east-1',
    byName: option('bucket-lookup') === 'dns',
  };
}
