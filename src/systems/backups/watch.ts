import type { ProposedSource } from '../../core/backup/propose.ts';
import { DATABASE_KINDS } from '../../core/backup/source.ts';
import { lastTried } from '../../core/backup/tried.ts';
import { formatDuration } from '../../core/duration.ts';
import { StewardError } from '../../core/errors.ts';
import type { NewIncident } from '../../core/incident.ts';
import type { CopyRecord } from '../../core/ports/copies.ts';
import type { BackupsDeps } from './deps.ts';
import { keepsRemoved } from '../../core/backup/object-lock.ts';
import type { LockLooks } from './locks.ts';
import { placesOf, type Standing, standingOf, unusualDuration, unusualSize } from './standing.ts';

type Watched = Omit<NewIncident, 'evidence'> & { readonly evidence: NewIncident['evidence']; readonly wrong: boolean };

interface Looking {
  readonly locks: Pick<LockLooks, 'ask'>;
}

export interface Known {
  readonly copies: readonly CopyRecord[];
  /** Since when each source is configured, and each thing is seen that no source copies, by its key. */
  readonly since: ReadonlyMap<string, Date>;
  readonly uncovered: readonly ProposedSource[];
}

/** Of what is lost with its disk: databases and volumes. How a machine is set up is proposed, and missed by nobody unasked. */
export const isMissedUncovered = ({ kind, coveredBy }: ProposedSource): boolean =>
  coveredBy === undefined && (DATABASE_KINDS.has(kind) || kind === 'volume');

/** No source is called so. */
export const uncoveredKey = ({ name, kind }: ProposedSource): string => `(nobody) ${kind} ${name}`;

/**
 * What nobody would be told of by a run that failed: that none ran, that a copy is too small, that a repository fills up. Each is
 * one incident for as long as it holds.
 */
export async function watchBackups(
  deps: Pick<BackupsDeps, 'backups' | 'incidents' | 'settings' | 'node' | 'now' | 'log'> & Looking,
  { copies, since, uncovered }: Known,
  signal: AbortSignal,
): Promise<void> {
  const { incidents } = deps;
  const repositories = await ofRepositories(deps, copies, signal);
  const watched = [...ofSources(deps, copies, since), ...ofUncovered(deps, uncovered, since), ...repositories.watched];
  for (const { wrong, ...incident } of watched) {
    if (wrong) {
      await incidents.open(incident);
      continue;
    }
    const open = await incidents.byFingerprint(incident.fingerprint);
    if (open && open.status !== 'resolved') await incidents.resolve(open.id, 'It is as it should be again.');
  }
  await resolveUnwatched(deps, new Set([...watched.map(({ fingerprint }) => fingerprint), ...repositories.unseen]));
}

/** Of a source or a repository that is configured no more nobody looks whether it is well again. */
async function resolveUnwatched(
  { incidents, node }: Pick<BackupsDeps, 'incidents' | 'node'>,
  watched: ReadonlySet<string>,
): Promise<void> {
  for (const { id, symptom, fingerprint } of await incidents.unresolved()) {
    const ours = /^(backup|repository)\./.test(symptom) && `${fingerprint}:`.startsWith(`${symptom}:${node.id}:`);
    if (ours && !watched.has(fingerprint)) await incidents.resolve(id, 'It is configured here no more.');
  }
}

function ofSources(
  { backups, settings, node, now }: Pick<BackupsDeps, 'backups' | 'settings' | 'node' | 'now'>,
  copies: readonly CopyRecord[],
  since: ReadonlyMap<string, Date>,
): Watched[] {
  const { rules, schedule, shrink, slow } = settings();
  const repositories = backups.repositories();
  return backups.sources().flatMap((source) =>
    placesOf(source, repositories).flatMap((repository): Watched[] => {
      const standing = standingOf(source, repository, copies, { now: now(), schedule });
      const where = `${source.name} in ${repository}`;
      const own = copies.filter((copy) => copy.source === source.name && copy.repository === repository);
      const size = unusualSize(own, shrink);
      const duration = unusualDuration(own, slow);
      const tried = lastTried(own, { source: source.name, repository });
      const severity = source.critical ? 'critical' : 'warning';
      const key = `${node.id}:${source.name}:${repository}`;
      return [
        {
          fingerprint: `backup.missed:${key}`,
          title: `No young backup: ${where}`,
          symptom: 'backup.missed',
          severity,
          wrong: isMissed(standing, since.get(source.name), rules.maxAgeMs, now()),
          evidence: {
            state: standing.state,
            message: standing.message,
            newest: standing.newest?.snapshotAt?.toISOString() ?? null,
            expectedEvery: formatDuration(standing.dueMs),
          },
        },
        {
          fingerprint: `backup.unsound:${key}`,
          title: `A backup is not sound: ${where}`,
          symptom: 'backup.unsound',
          severity: 'critical',
          // A later attempt that failed makes it no sounder.
          wrong: typeof standing.newest?.fault === 'string',
          evidence: { copy: standing.newest?.id ?? null, fault: standing.newest?.fault ?? null },
        },
        {
          fingerprint: `backup.undrilled:${key}`,
          title: `A backup cannot be proven here: ${where}`,
          symptom: 'backup.undrilled',
          severity: 'warning',
          wrong: typeof tried?.obstacle === 'string',
          evidence: tried ? { copy: tried.id, why: tried.obstacle, at: tried.triedAt?.toISOString() ?? null } : null,
        },
        {
          fingerprint: `backup.shrunk:${key}`,
          title: `A backup is far smaller than usual: ${where}`,
          symptom: 'backup.shrunk',
          severity,
          wrong: size !== undefined,
          evidence: size ? { bytes: size.bytes, usually: size.usual } : null,
        },
        {
          fingerprint: `backup.slow:${key}`,
          title: `A backup takes far longer than usual: ${where}`,
          symptom: 'backup.slow',
          severity: 'warning',
          wrong: duration !== undefined,
          evidence: duration ? { took: formatDuration(duration.ms), usually: formatDuration(duration.usual) } : null,
        },
      ];
    }),
  );
}

/** One incident for all of them: whoever answers it answers for the machine. */
function ofUncovered(
  { settings, node, now }: Pick<BackupsDeps, 'settings' | 'node' | 'now'>,
  uncovered: readonly ProposedSource[],
  since: ReadonlyMap<string, Date>,
): Watched[] {
  const { maxAgeMs } = settings().rules;
  const missed = uncovered.filter((one) => {
    const seen = since.get(uncoveredKey(one));
    return seen !== undefined && now().getTime() - seen.getTime() > maxAgeMs;
  });
  const names = missed.map(({ name, kind }) => `${name} (${kind})`);
  return [
    {
      fingerprint: `backup.uncovered:${node.id}`,
      title: `Nobody copies ${names.slice(0, 3).join(', ')}${names.length > 3 ? ` and ${names.length - 3} more` : ''} of ${node.name}`,
      symptom: 'backup.uncovered',
      severity: 'warning',
      wrong: missed.length > 0,
      evidence: {
        missing: names.slice(0, 50),
        hint: 'steward backup proposals shows what to write for each; backups.ignore names what needs no copy.',
      },
    },
  ];
}

/** A dead man's switch: it does not matter why there is no young copy. */
function isMissed(
  { state, newest, dueMs }: Standing,
  configuredSince: Date | undefined,
  maxAgeMs: number,
  now: Date,
): boolean {
  if (state === 'late') return true;
  // An instant that lies ahead says of no copy that it is young.
  const instants = [newest?.snapshotAt ?? configuredSince, configuredSince];
  const since = instants.find((instant) => instant !== undefined && instant.getTime() <= now.getTime());
  return since !== undefined && now.getTime() - since.getTime() > Math.min(maxAgeMs, dueMs * 2);
}

async function ofRepositories(
  { backups, locks, settings, node, log }: Pick<BackupsDeps, 'backups' | 'settings' | 'node' | 'log'> & Looking,
  copies: readonly CopyRecord[],
  signal: AbortSignal,
): Promise<{ readonly watched: readonly Watched[]; readonly unseen: readonly string[] }> {
  const watched: Watched[] = [];
  // Of what could not be looked at nothing is known, not even that it is well.
  const unseen: string[] = [];
  // One that nothing was ever written to is made by the first copy.
  const used = backups.repositories().filter(({ name }) => copies.some(({ repository }) => repository === name));
  for (const { name } of used) {
    const [unusable, full] = [`repository.unusable:${node.id}:${name}`, `repository.full:${node.id}:${name}`];
    try {
      const { ok, problem, freeBytes, totalBytes } = await backups.state(name, { signal });
      const usedPercent = freeBytes !== undefined && totalBytes ? 100 - (100 * freeBytes) / totalBytes : undefined;
      watched.push(
        {
          fingerprint: unusable,
          title: `Copies cannot be written to the repository ${name}`,
          symptom: 'repository.unusable',
          severity: 'critical',
          wrong: !ok,
          evidence: problem ? { message: problem.message, hint: problem.hint } : null,
        },
        {
          fingerprint: full,
          title: `The repository ${name} is nearly full`,
          symptom: 'repository.full',
          severity: 'warning',
          wrong: usedPercent !== undefined && usedPercent > settings().rules.nearlyFull,
          evidence: { usedPercent: usedPercent ?? null, freeBytes: freeBytes ?? null },
        },
      );
    } catch (thrown) {
      unseen.push(unusable, full);
      log.debug('a repository was not looked at', { repository: name, reason: StewardError.from(thrown).message });
    }
  }
  // One that is not written to yet, too: the first copy shall be safe.
  for (const { name } of backups.repositories().filter(keepsRemoved)) {
    const fingerprint = `repository.unlocked:${node.id}:${name}`;
    try {
      const lock = await locks.ask(name, signal);
      watched.push({
        fingerprint,
        title: `The repository ${name} is not locked, although it is to be`,
        symptom: 'repository.unlocked',
        severity: 'critical',
        wrong: lock?.state !== 'locked',
        evidence: lock ? { message: lock.message, hint: lock.hint ?? null } : null,
      });
    } catch (thrown) {
      unseen.push(fingerprint);
      log.debug('the lock of a bucket was not looked at', {
        repository: name,
        reason: StewardError.from(thrown).message,
      });
    }
  }
  return { watched, unseen };
}
