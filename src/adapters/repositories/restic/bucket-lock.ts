import type { ObjectLock } from '../../../core/backup/object-lock.ts';
import type { RepositoryOf } from '../../../core/backup/repository.ts';
import type { Doing } from '../../../core/backup/store.ts';
import { StewardError } from '../../../core/errors.ts';
import type { OutboundResponse } from '../../outbound/outbound.ts';
import type { StoreDeps } from '../deps.ts';
import { s3Address } from './s3-address.ts';
import { createS3, type S3Credentials, textOf } from './s3-request.ts';

type Of = Pick<StoreDeps, 'secrets' | 'outbound' | 'now'>;
type Restic = RepositoryOf<'restic'>;

/**
 * Asks the bucket of a repository whether it is locked as the configuration says; undefined where nothing was said. Rejects where
 * nobody answers: nothing is known then.
 */
export async function bucketLock(
  repository: Restic,
  { secrets, ...reach }: Of,
  { signal }: Doing,
): Promise<ObjectLock | undefined> {
  const wanted = repository.objectLock;
  if (wanted === undefined || wanted === false) return undefined;
  const variable = async (name: string): Promise<string | undefined> => {
    const value = repository.env[name];
    return typeof value === 'object' ? await secrets(value) : value;
  };
  const region = (await variable('AWS_DEFAULT_REGION')) ?? (await variable('AWS_REGION'));
  const address = s3Address({ url: repository.url, options: repository.options, region });
  if (!address) return unknown(`${repository.url} names no bucket`, 'Write it as s3:https://host/bucket/prefix.');
  const credentials = await credentialsOf(variable);
  if (!credentials)
    return unknown(
      'nobody can ask its bucket: its credentials are not in the configuration',
      'Name AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in env of the repository, or backups.s3.',
    );
  const ask = createS3(address, credentials, reach);
  const asked = await Promise.all(
    ['versioning', 'object-lock'].map(async (what) => await ask({ query: { [what]: '' }, signal })),
  );
  const [versioning, locking] = asked as [OutboundResponse, OutboundResponse];
  return refusedOf(versioning) ?? lockOf(versioning.body, locking, typeof wanted === 'object' ? wanted.days : 1);
}

async function credentialsOf(
  variable: (name: string) => Promise<string | undefined>,
): Promise<S3Credentials | undefined> {
  const [accessKey, secretKey] = [await variable('AWS_ACCESS_KEY_ID'), await variable('AWS_SECRET_ACCESS_KEY')];
  if (accessKey === undefined || secretKey === undefined) return undefined;
  return { accessKey, secretKey, sessionToken: await variable('AWS_SESSION_TOKEN') };
}

/** Why it said nothing of it; nothing where it did. */
function refusedOf({ status, body, url }: OutboundResponse): ObjectLock | undefined {
  if (status === 200) return undefined;
  if (status >= 500 || status === 429)
    throw new StewardError('UNAVAILABLE', `${new URL(url).origin} answers ${status} when asked for the lock.`);
  const said = textOf(body, 'Code') ?? `HTTP ${status}`;
  return unknown(
    `its bucket does not say whether it is locked (${said.slice(0, 100)})`,
    'Give these credentials s3:GetBucketVersioning and s3:GetBucketObjectLockConfiguration.',
  );
}

function lockOf(versioning: string, locking: OutboundResponse, days: number): ObjectLock {
  if (textOf(versioning, 'Status') !== 'Enabled')
    return unlocked('its bucket keeps no versions: what is deleted is gone', NEW_BUCKET);
  if (locking.status === 404 || textOf(locking.body, 'Code')?.startsWith('ObjectLockConfigurationNotFound'))
    return unlocked('its bucket has no object lock: whoever has its credentials can delete every version', NEW_BUCKET);
  const refused = refusedOf(locking);
  if (refused) return refused;
  const mode = textOf(locking.body, 'Mode');
  const held = Number(textOf(locking.body, 'Days') ?? 0) + 365 * Number(textOf(locking.body, 'Years') ?? 0);
  if ((mode !== 'COMPLIANCE' && mode !== 'GOVERNANCE') || !(held > 0))
    return unlocked('its bucket can lock, but has no default retention: nothing that restic writes is locked', RETAIN);
  if (held < days)
    return {
      ...unlocked(`its bucket locks for ${held} days, and not for the ${days} that are configured`, RETAIN),
      mode,
      days: held,
    };
  return {
    state: 'locked',
    mode,
    days: held,
    message: `each object is locked for ${held} days from when it was written, in ${mode} mode: ${BREAKABLE[mode]}`,
  };
}

const BREAKABLE = {
  COMPLIANCE: 'nobody can delete it before',
  GOVERNANCE: 'only who has the right s3:BypassGovernanceRetention can delete it before',
} as const;

const NEW_BUCKET = 'Make a bucket with object lock and a default retention, and let the repository go there.';
const RETAIN = 'Give the bucket a default retention of so many days, in COMPLIANCE mode.';

const unlocked = (message: string, hint: string): ObjectLock => ({ state: 'unlocked', message, hint });
const unknown = (message: string, hint: string): ObjectLock => ({ state: 'unknown', message, hint });
