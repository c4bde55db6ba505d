import type { Unsure } from '../../core/backup/copy.ts';
import { isRecoveryPoint } from '../../core/backup/copy-before.ts';
import type { ObjectLock } from '../../core/backup/object-lock.ts';
import { type BackupSchedule, CADENCES } from '../../core/backup/schedule.ts';
import { type BackupSource, DATABASE_KINDS } from '../../core/backup/source.ts';
import { lastTried } from '../../core/backup/tried.ts';
import { ms } from '../../core/duration.ts';
import type { CopyRecord } from '../../core/ports/copies.ts';

/** How safe one source is in one repository. */
export interface Standing {
  readonly source: string;
  readonly kind: BackupSource['kind'];
  readonly repository: string;
  /**
   * proven: its newest copy that is young enough was restored, and every layer held. partly: but for what could not be compared.
   * unlocked: it may be any of these, and whoever has the credentials can delete it although nobody should.
   */
  readonly state: 'proven' | 'partly' | 'unproven' | 'unlocked' | 'unsound' | 'late' | 'failing' | 'none';
  readonly message: string;
  readonly newest: CopyRecord | undefined;
  readonly lastProven: CopyRecord | undefined;
  readonly lastFailed: CopyRecord | undefined;
  /** What would be lost now, in ms: the age of the newest proven data. Unknown where a clock that ran ahead made it. */
  readonly rpoMs: number | undefined;
  /** What the last restore of it took, in ms. */
  readonly rtoMs: number | undefined;
  readonly dueMs: number;
}

/** A schedule that is a little late is no alarm: a copy of every 6 h may be 7 h old. */
const GRACE = 1.2;
/** A clock is corrected by less than this in the life of a machine that is well. */
const AHEAD_MS = 60_000;

/** How old the newest copy of a source may be. */
function dueMsOf({ every, kind }: BackupSource, schedule: BackupSchedule): number {
  if (every !== undefined) return ms(every);
  const { databasesEveryMs, restEveryMs } = CADENCES[schedule];
  return DATABASE_KINDS.has(kind) ? databasesEveryMs : restEveryMs;
}

export function standingOf(
  source: BackupSource,
  repository: string,
  copies: readonly CopyRecord[],
  { now, schedule }: { readonly now: Date; readonly schedule: BackupSchedule },
): Standing {
  const own = copies
    // The way back from a restore or a migration is no backup of what is there now.
    .filter((copy) => copy.source === source.name && copy.repository === repository && !isRecoveryPoint(copy.id))
    .toSorted((a, b) => b.sequence - a.sequence);
  const complete = own.filter(({ status }) => status === 'complete');
  const [newest] = complete;
  const lastProven = complete.find(({ provenAt }) => provenAt !== null);
  const lastFailed = own.find(({ status }) => status === 'failed');
  const dueMs = dueMsOf(source, schedule);
  const ageMs = newest?.snapshotAt ? now.getTime() - newest.snapshotAt.getTime() : undefined;
  const provenAgeMs = lastProven?.snapshotAt ? now.getTime() - lastProven.snapshotAt.getTime() : undefined;
  const failing = lastFailed !== undefined && lastFailed.sequence > (newest?.sequence ?? -1);
  const told = (state: Standing['state'], message: string): Standing => ({
    source: source.name,
    kind: source.kind,
    repository,
    state,
    message,
    newest,
    lastProven,
    lastFailed,
    rpoMs: provenAgeMs === undefined || provenAgeMs < -AHEAD_MS ? undefined : Math.max(0, provenAgeMs),
    rtoMs: own.find(({ restoreMs }) => restoreMs !== null)?.restoreMs ?? undefined,
    dueMs,
  });
  if (failing) return told('failing', lastFailed.error ?? 'the last attempt failed');
  if (!newest || ageMs === undefined) return told('none', 'there is no copy yet');
  if (newest.fault !== null) return told('unsound', newest.fault);
  if (ageMs < -AHEAD_MS)
    return told('late', 'the newest copy was made by a clock that ran ahead: how old it is nobody knows');
  if (ageMs > dueMs * GRACE) return told('late', 'the newest copy is older than it may be');
  if (newest.provenAt !== null && newest.unsure !== null) return told('partly', tellUnsure(newest.unsure));
  if (newest.provenAt !== null) return told('proven', 'restored, counted and compared');
  const obstacle = lastTried(own, { source: source.name, repository })?.obstacle;
  if (typeof obstacle === 'string') return told('unproven', `it could not be proven here: ${obstacle}`);
  if (lastProven) return told('unproven', 'an older copy is proven; the newest has not been restored yet');
  return told('unproven', 'no copy of it has been restored yet');
}

/** What is worse already stays what it is. */
export function heldBy(lock: ObjectLock | undefined, standing: Standing): Standing {
  const { state, message } = standing;
  if (!lock || lock.state === 'locked' || !['proven', 'partly', 'unproven'].includes(state)) return standing;
  return {
    ...standing,
    state: 'unlocked',
    message: `not safe from deletion: ${lock.message} (else ${state}: ${message})`,
  };
}

function tellUnsure({ count, first }: Unsure): string {
  const names = first.slice(0, 3).join(', ') + (count > 3 ? ` and ${count - 3} more` : '');
  return `restored and compared, but for what changed while it was copied or could not be read: ${names}`;
}

const MONTH_MS = 30 * 86_400_000;

/** Of the attempts of the last month, in percent; nothing where there was none. */
export function successRateOf(copies: readonly CopyRecord[], now: Date): { successRate?: number } {
  const ended = copies.filter(
    ({ status, startedAt }) => status !== 'writing' && now.getTime() - startedAt.getTime() < MONTH_MS,
  );
  if (ended.length === 0) return {};
  // What retention removed was made; what was never whole has no instant.
  const good = ended.filter(({ snapshotAt }) => snapshotAt !== null).length;
  return { successRate: Math.round((1_000 * good) / ended.length) / 10 };
}

/** Where its copies go. */
export function placesOf(source: BackupSource, repositories: readonly { readonly name: string }[]): string[] {
  return source.repositories ?? repositories.map(({ name }) => name);
}

/** What the newest copy is, and what the ten before it usually were: their median. Undefined where too few are known to say. */
function comparedWith(
  copies: readonly CopyRecord[],
  valueOf: (copy: CopyRecord) => number | undefined,
): { readonly value: number; readonly usual: number } | undefined {
  const [newest, ...before] = copies
    .filter(({ id, status }) => status === 'complete' && !isRecoveryPoint(id))
    .toSorted((a, b) => b.sequence - a.sequence)
    .flatMap((copy) => valueOf(copy) ?? [])
    .slice(0, 11);
  if (newest === undefined || before.length < 3) return undefined;
  const ordered = before.toSorted((a, b) => a - b);
  return { value: newest, usual: ordered[Math.floor(ordered.length / 2)] ?? 0 };
}

/** Of the newest copy, where it is far smaller than usual. */
export function unusualSize(
  copies: readonly CopyRecord[],
  shrink: number,
): { readonly bytes: number; readonly usual: number } | undefined {
  const found = comparedWith(copies, ({ bytes }) => bytes ?? undefined);
  return found && found.value < found.usual * (1 - shrink) ? { bytes: found.value, usual: found.usual } : undefined;
}

const SLOWER_BY_MS = 60_000;

/** Of the newest copy, where making it took far longer than usual; of what takes seconds more nobody wants to hear. */
export function unusualDuration(
  copies: readonly CopyRecord[],
  slow: number,
): { readonly ms: number; readonly usual: number } | undefined {
  const found = comparedWith(copies, ({ startedAt, endedAt }) =>
    endedAt === null ? undefined : endedAt.getTime() - startedAt.getTime(),
  );
  return found && found.value > found.usual * slow && found.value > found.usual + SLOWER_BY_MS
    ? { ms: found.value, usual: found.usual }
    : undefined;
}
