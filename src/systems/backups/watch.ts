import { StewardError } from '../../core/errors.ts';
import type { NewIncident } from '../../core/incident.ts';
import { formatDuration } from '../../core/duration.ts';
import type { CopyRecord } from '../../core/ports/copies.ts';
import type { BackupsDeps } from './deps.ts';
import { placesOf, type Standing, standingOf, unusualSize } from './standing.ts';

type Watched = Omit<NewIncident, 'evidence'> & { readonly evidence: NewIncident['evidence']; readonly wrong: boolean };

/**
 * What nobody would be told of by a run that failed: that none ran, that a copy is too small, that a repository fills up. Each is
 * one incident for as long as it holds.
 */
export async function watchBackups(
  deps: Pick<BackupsDeps, 'backups' | 'incidents' | 'settings' | 'node' | 'now' | 'log'>,
  { copies, since }: { readonly copies: readonly CopyRecord[]; readonly since: ReadonlyMap<string, Date> },
  signal: AbortSignal,
): Promise<void> {
  const { incidents } = deps;
  const watched = [...ofSources(deps, copies, since), ...(await ofRepositories(deps, copies, signal))];
  for (const { wrong, ...incident } of watched) {
    if (wrong) {
      await incidents.open(incident);
      continue;
    }
    const open = await incidents.byFingerprint(incident.fingerprint);
    if (open && open.status !== 'resolved') await incidents.resolve(open.id, 'It is as it should be again.');
  }
}

function ofSources(
  { backups, settings, node, now }: Pick<BackupsDeps, 'backups' | 'settings' | 'node' | 'now'>,
  copies: readonly CopyRecord[],
  since: ReadonlyMap<string, Date>,
): Watched[] {
  const { rules, shrink } = settings();
  const repositories = backups.repositories();
  return backups.sources().flatMap((source) =>
    placesOf(source, repositories).flatMap((repository): Watched[] => {
      const standing = standingOf(source, repository, copies, now());
      const where = `${source.name} in ${repository}`;
      const size = unusualSize(
        copies.filter((copy) => copy.source === source.name && copy.repository === repository),
        shrink,
      );
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
          fingerprint: `backup.shrunk:${key}`,
          title: `A backup is far smaller than usual: ${where}`,
          symptom: 'backup.shrunk',
          severity,
          wrong: size !== undefined,
          evidence: size ? { bytes: size.bytes, usually: size.usual } : null,
        },
      ];
    }),
  );
}

/** A dead man's switch: it does not matter why there is no young copy. */
function isMissed(
  { state, newest, dueMs }: Standing,
  configuredSince: Date | undefined,
  maxAgeMs: number,
  now: Date,
): boolean {
  if (state === 'late') return true;
  const since = newest?.snapshotAt ?? configuredSince;
  return since !== undefined && now.getTime() - since.getTime() > Math.min(maxAgeMs, dueMs * 2);
}

async function ofRepositories(
  { backups, settings, node, log }: Pick<BackupsDeps, 'backups' | 'settings' | 'node' | 'log'>,
  copies: readonly CopyRecord[],
  signal: AbortSignal,
): Promise<Watched[]> {
  const watched: Watched[] = [];
  // One that nothing was ever written to is made by the first copy.
  const used = backups.repositories().filter(({ name }) => copies.some(({ repository }) => repository === name));
  for (const { name } of used) {
    try {
      const { ok, problem, freeBytes, totalBytes } = await backups.state(name, { signal });
      const usedPercent = freeBytes !== undefined && totalBytes ? 100 - (100 * freeBytes) / totalBytes : undefined;
      watched.push(
        {
          fingerprint: `repository.unusable:${node.id}:${name}`,
          title: `Copies cannot be written to the repository ${name}`,
          symptom: 'repository.unusable',
          severity: 'critical',
          wrong: !ok,
          evidence: problem ? { message: problem.message, hint: problem.hint } : null,
        },
        {
          fingerprint: `repository.full:${node.id}:${name}`,
          title: `The repository ${name} is nearly full`,
          symptom: 'repository.full',
          severity: 'warning',
          wrong: usedPercent !== undefined && usedPercent > settings().nearlyFull,
          evidence: { usedPercent: usedPercent ?? null, freeBytes: freeBytes ?? null },
        },
      );
    } catch (thrown) {
      log.debug('a repository was not looked at', { repository: name, reason: StewardError.from(thrown).message });
    }
  }
  return watched;
}
