import type { ObjectLock, RenewedLock } from '../../../core/backup/object-lock.ts';
import type { RepositoryOf } from '../../../core/backup/repository.ts';
import type { Doing } from '../../../core/backup/store.ts';
import { StewardError } from '../../../core/errors.ts';
import type { OutboundResponse } from '../../outbound/outbound.ts';
import type { StoreDeps } from '../deps.ts';
import { s3Address } from './s3-address.ts';
import { createRetention, RetentionRefused, type Retained } from './object-retention.ts';
import { createS3, type S3, type S3Credentials, textOf } from './s3-request.ts';

type Of = Pick<StoreDeps, 'secrets' | 'outbound' | 'now' | 'home'>;
type Restic = RepositoryOf<'restic'>;

interface BucketLock {
  /** Whether it is locked as the configuration says, and until when; undefined where nothing was said. Rejects where nobody answers. */
  look(doing: Doing): Promise<ObjectLock | undefined>;
  /** Locks again for the whole time what is locked for less than half of it. Never for less than it is. */
  renew(doing: Doing): Promise<RenewedLock | undefined>;
}

/** What was seen of a repository object by object stays true: a lock only grows, and what came since is locked for the whole time. */
interface Seen {
  readonly at: number;
  readonly retained: Pick<Retained, 'least' | 'weakest'> | undefined;
  /** Why its lock was not renewed. */
  readonly refused?: string | undefined;
}
const seen = new Map<string, Promise<Seen>>();
const FRESH_MS = 6 * 3_600_000;
const LOOK_MS = 30 * 60_000;
const DAY_MS = 86_400_000;

export function createBucketLock(repository: Restic, { secrets, home, ...reach }: Of): BucketLock {
  const wanted = repository.objectLock;
  const place = JSON.stringify([home, repository]);

  async function variable(name: string): Promise<string | undefined> {
    const value = repository.env[name];
    return typeof value === 'object' ? await secrets(value) : value;
  }

  async function reached(): Promise<{ readonly ask: S3; readonly prefix: string } | ObjectLock> {
    const region = (await variable('AWS_DEFAULT_REGION')) ?? (await variable('AWS_REGION'));
    const address = s3Address({ url: repository.url, options: repository.options, region });
    if (!address) return unknown(`${repository.url} names no bucket`, 'Write it as s3:https://host/bucket/prefix.');
    const credentials = await credentialsOf(variable);
    if (!credentials)
      return unknown(
        'nobody can ask its bucket: its credentials are not in the configuration',
        'Name AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in env of the repository, or backups.s3.',
      );
    return { ask: createS3(address, credentials, reach), prefix: address.prefix };
  }

  async function bucket(ask: S3, { signal }: Doing): Promise<ObjectLock> {
    const asked = await Promise.all(
      ['versioning', 'object-lock'].map(async (what) => await ask({ query: { [what]: '' }, signal })),
    );
    const [versioning, locking] = asked as [OutboundResponse, OutboundResponse];
    return refusedOf(versioning) ?? lockOf(versioning.body, locking, typeof wanted === 'object' ? wanted.days : 1);
  }

  /** Once for all who ask: it goes on where one of them gives up. */
  async function lookOnce(retention: Retention, { signal }: Doing): Promise<Seen> {
    const known = seen.get(place);
    const last = known && (await abortable(known, signal));
    const at = reach.now().getTime();
    if (last?.retained && last.retained.least.gone !== true && at >= last.at && at - last.at < FRESH_MS) return last;
    const looking = retention
      .look(AbortSignal.timeout(LOOK_MS))
      .then((found) => ({ at, retained: leastOf(found), refused: last?.refused }));
    seen.set(place, looking);
    looking.catch(() => void (seen.get(place) === looking && seen.delete(place)));
    return await abortable(looking, signal);
  }

  return {
    async look(doing) {
      if (wanted === undefined || wanted === false) return undefined;
      const at = await reached();
      if (!('ask' in at)) return at;
      const lock = await bucket(at.ask, doing);
      if (lock.state !== 'locked') return lock;
      return await lookOnce(createRetention(at.ask, at.prefix), doing).then(
        (each) => lockUntil(lock, each, reach.now()),
        untold,
      );
    },

    async renew(doing) {
      if (wanted === undefined || wanted === false) return undefined;
      const at = await reached();
      if (!('ask' in at)) return { lock: at, renewed: 0 };
      const lock = await bucket(at.ask, doing);
      const { mode, days, state } = lock;
      if (state !== 'locked' || !mode || days === undefined) return { lock, renewed: 0 };
      const retention = createRetention(at.ask, at.prefix);
      try {
        const last = await lookOnce(retention, doing);
        const now = reach.now();
        const from = now.getTime() + renewedBelow(days);
        if (!last.retained || last.retained.least.until >= from)
          return { lock: lockUntil(lock, last, now), renewed: 0 };
        // Somebody else may have renewed it.
        const retained = await retention.look(doing.signal);
        const due = retained?.all.filter(({ until }) => until < from) ?? [];
        const until = new Date(now.getTime() + days * DAY_MS);
        const { extended, refused } = await retention.extend(due, { mode, until }, doing.signal);
        const after = { at: now.getTime(), retained: leastOf(await retention.look(doing.signal)), refused };
        seen.set(place, Promise.resolve(after));
        return { lock: lockUntil(lock, after, now), renewed: extended, ...(refused !== undefined && { refused }) };
      } catch (thrown) {
        return { lock: untold(thrown), renewed: 0 };
      }
    },
  };
}

const leastOf = (found: Retained | undefined): Seen['retained'] =>
  found && { least: found.least, weakest: found.weakest };

type Retention = ReturnType<typeof createRetention>;

/** What is done once a day must not come too late. */
const renewedBelow = (days: number): number => Math.max((days / 2) * DAY_MS, 2 * DAY_MS);

/** As long as this is left whoever should renew it has had many turns. */
const tooShort = (days: number): number => (days / 4) * DAY_MS;

function lockUntil(lock: ObjectLock, { retained, refused }: Seen, now: Date): ObjectLock {
  // Nothing is there yet, and what comes is locked.
  if (!retained || lock.days === undefined) return lock;
  const { key, until, gone = false } = retained.least;
  if (gone)
    return {
      ...lock,
      ...unlocked(
        `${key} is gone, without which no copy there can be read`,
        'Somebody deleted it: the bucket keeps its versions until their lock ends. The guide of backups says how to open them.',
      ),
    };
  const not = refused === undefined ? '' : `; it is not renewed, since the bucket refuses that (${refused})`;
  const left = until - now.getTime();
  if (left < tooShort(lock.days)) {
    const instant = until === 0 ? 'is not locked' : `is locked only until ${new Date(until).toISOString()}`;
    return {
      ...lock,
      ...unlocked(
        `what its copies need is not locked for the ${lock.days} days that its bucket promises: ${key} ${instant}${not}`,
        'Each backup renews it: `steward backup run`. Its credentials need s3:PutObjectRetention for that.',
      ),
      ...(until > 0 && { until: new Date(until).toISOString() }),
    };
  }
  const instant = new Date(until).toISOString();
  const mixed =
    retained.weakest === 'GOVERNANCE' && lock.mode === 'COMPLIANCE'
      ? `, some of it in ${retained.weakest} mode: ${BREAKABLE[retained.weakest]}`
      : '';
  return {
    ...lock,
    mode: mixed === '' ? lock.mode : 'GOVERNANCE',
    until: instant,
    message: `${lock.message}; all that its copies need is locked until ${instant}${mixed}${not}`,
    ...(refused !== undefined && { hint: 'Give its credentials s3:PutObjectRetention.' }),
  };
}

function untold(thrown: unknown): ObjectLock {
  if (!(thrown instanceof RetentionRefused)) throw thrown;
  return unknown(
    `its bucket does not say until when its objects are locked (${thrown.message})`,
    'Give these credentials s3:ListBucket and s3:GetObjectRetention.',
  );
}

async function abortable<Result>(work: Promise<Result>, signal: AbortSignal): Promise<Result> {
  signal.throwIfAborted();
  const stop = Promise.withResolvers<never>();
  const give = (): void => stop.reject(signal.reason);
  signal.addEventListener('abort', give, { once: true });
  try {
    return await Promise.race([work, stop.promise]);
  } finally {
    signal.removeEventListener('abort', give);
  }
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
