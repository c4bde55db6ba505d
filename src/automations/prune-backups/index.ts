import { z } from 'zod';
import { defineAutomation } from '../../core/automation.ts';
import { isRecoveryPoint } from '../../core/backup/copy-before.ts';
import { keepsRemoved } from '../../core/backup/object-lock.ts';
import type { BackupRepository } from '../../core/backup/repository.ts';
import { reasonsToKeep, type Retention, retentionOf } from '../../core/backup/retention.ts';
import { Targets, targetKinds } from '../../core/backup/targets.ts';
import { StewardError } from '../../core/errors.ts';
import type { BackupsPort } from '../../core/ports/backups.ts';
import type { CopyRecord } from '../../core/ports/copies.ts';
import { naming } from '../../core/naming.ts';

/** A plan has at most 500 changes; what is above goes next time. */
const MOST = 400;

export default defineAutomation({
  name: 'prune-backups',
  version: 1,
  title: 'Remove old backups',
  summary:
    'Removes copies that retention lets go; never the last proven one, never one that no newer proven copy replaces.',
  category: 'backup',
  effect: 'destructive',
  priority: 'P1',
  ifMissed: 'repositories fill up until no new copy fits',
  load: 'io',
  needs: ['backups', 'copies'],
  cli: ['backup', 'prune'],
  input: z.object({
    sources: z
      .array(naming('source', z.string().min(1)))
      .optional()
      .describe('Only copies of these sources.'),
    targets: Targets,
    keep: z
      .string()
      .optional()
      .describe('30d: everything younger, and nothing else but safety copies. By default what backups.retention says.'),
  }),
  output: z.object({
    removed: z.array(z.object({ copy: z.string(), source: z.string(), repository: z.string() })),
    kept: z.number().int(),
    freedBytes: z.number(),
    heldBytes: z
      .number()
      .describe(
        'Of what is removed, and kept by a locked bucket: freed when its lock is over, by a rule of the bucket.',
      ),
    leftAlone: z.array(z.string()).describe('Repositories that only take: their own rules decide what goes.'),
  }),
  examples: [
    { title: 'As the configuration says', input: {} },
    { title: 'Only what is younger than 30 days stays', input: { keep: '30d' } },
  ],
  safeguards: { timeout: '1h', limit: 'long', limitOf: 'change', retry: { attempts: 3, backoff: '5s' } },

  async analyze({ input, ports, now }) {
    const rules = rulesOf(input.keep, ports.copies.rules().retention);
    const kinds: ReadonlySet<string> | undefined = input.targets && targetKinds(input.targets);
    const complete = (await ports.copies.find({ status: 'complete' })).filter(
      ({ source, kind }) =>
        (input.sources === undefined || input.sources.includes(source)) && (kinds === undefined || kinds.has(kind)),
    );
    const places = [...Map.groupBy(complete, ({ source, repository }) => `${source}@${repository}`).values()];
    const takes = namesOf(ports.backups, ({ appendOnly }) => appendOnly);
    const locked = namesOf(ports.backups, keepsRemoved);
    const known = new Set(ports.backups.repositories().map(({ name }) => name));
    const going = places.flatMap((copies) => letGo(copies, rules, now()));
    return {
      rules,
      kept: complete.length - going.length,
      going: going
        .filter(({ repository }) => known.has(repository) && !takes.has(repository))
        .slice(0, MOST)
        .map(({ id, source, repository, location, startedAt, storedBytes, bytes }) => ({
          copy: id,
          source,
          repository,
          location,
          at: startedAt.toISOString(),
          bytes: storedBytes ?? bytes ?? 0,
          held: locked.has(repository),
        })),
      leftAlone: [...takes],
    };
  },

  async plan(_ctx, { going }) {
    const removals = going.map(({ copy, source, repository, location, at, held }) => ({
      what: 'copy' as const,
      id: copy,
      title: `Remove the copy of ${source} from ${at} in ${repository}`,
      reason: `Retention has no reason to keep it, and a newer copy is proven.${held ? ' It is hidden at once; its bucket frees it when its lock is over.' : ''}`,
      undo: 'none' as const,
      source,
      repository,
      location,
    }));
    const rooms = [...new Map(going.map(({ repository, held }) => [repository, held]))].map(([repository, held]) => ({
      what: 'room' as const,
      id: `room@${repository}`,
      title: held
        ? `Hide what was removed from ${repository}: its bucket gives the room back when its lock is over`
        : `Give back the room of what was removed from ${repository}`,
      undo: 'none' as const,
      additive: true,
      repository,
    }));
    return [...removals, ...rooms];
  },

  basis: ({ going }) => ({ going: going.map(({ copy }) => copy) }),

  async execute({ ports, signal, now, log }, change, { facts }) {
    if (change.what === 'room') {
      await ports.backups.compact(change.repository, { signal }).catch((thrown: unknown) => {
        // Somebody writes there: the room comes back the next time.
        if (StewardError.from(thrown).code !== 'LOCKED') throw thrown;
        log.info('the room of removed copies is not given back yet', { repository: change.repository });
      });
      return { removed: false };
    }
    const { id, source, repository, location } = change;
    // A proof can be taken back while the run waits its turn: asked again right before.
    const copies = await ports.copies.find({ source, repository, status: 'complete' });
    if (!letGo(copies, facts.rules, now()).some((copy) => copy.id === id)) return { removed: false };
    if (location !== null) await ports.backups.remove({ source, repository, location }, { signal });
    await ports.copies.removed(id, 'retention');
    return { removed: true };
  },

  async verify({ ports, signal }, { applied }) {
    const changes = applied.flatMap(({ change, receipt }) =>
      change.what === 'copy' ? [{ change, removed: receipt.removed }] : [],
    );
    const gone = await Promise.all(
      changes
        .filter(({ removed }) => removed)
        .map(async ({ change: { id, source, repository, location } }) => ({
          id,
          there: location !== null && (await isThere(ports.backups, { source, repository, location }, signal)),
        })),
    );
    const places = new Map(
      changes.map(({ change: { source, repository } }) => [`${source}@${repository}`, { source, repository }]),
    );
    const left = await Promise.all(
      [...places.values()].map(async ({ source, repository }) => {
        const copies = await ports.copies.find({ source, repository, status: 'complete' });
        return {
          name: `${source} still has a proven copy in ${repository}`,
          ok: copies.some(({ id, provenAt }) => provenAt !== null && !isRecoveryPoint(id)),
          evidence: { copies: copies.length },
        };
      }),
    );
    return [
      {
        name: 'What was removed is gone from its repository',
        ok: gone.every(({ there }) => !there),
        evidence: { removed: gone.length, stillThere: gone.filter(({ there }) => there).map(({ id }) => id) },
      },
      ...left,
    ];
  },

  record({ facts, applied }) {
    const removed = applied.flatMap(({ change, receipt }) =>
      change.what === 'copy' && receipt.removed ? [change] : [],
    );
    const gone = new Set(removed.map(({ id }) => id));
    const bytesOf = (wanted: boolean): number =>
      facts.going.reduce((sum, { copy, bytes, held }) => sum + (gone.has(copy) && held === wanted ? bytes : 0), 0);
    return {
      removed: removed.map(({ id, source, repository }) => ({ copy: id, source, repository })),
      kept: facts.kept,
      freedBytes: bytesOf(false),
      heldBytes: bytesOf(true),
      leftAlone: facts.leftAlone,
    };
  },
});

function rulesOf(keep: string | undefined, configured: Retention): Retention {
  if (keep === undefined) return configured;
  const rules = retentionOf(keep);
  if (rules) return { ...rules, safety: configured.safety };
  throw new StewardError('INPUT_INVALID', `'${keep}' is no time to keep copies for.`, { hint: 'Say it as 30d.' });
}

function namesOf(
  backups: Pick<BackupsPort, 'repositories'>,
  which: (repository: BackupRepository) => boolean,
): ReadonlySet<string> {
  return new Set(
    backups
      .repositories()
      .filter(which)
      .map(({ name }) => name),
  );
}

/** Copies of one source in one repository that nothing keeps. */
function letGo(copies: readonly CopyRecord[], rules: Retention, now: Date): CopyRecord[] {
  const keepable = copies.map(({ id, sequence, startedAt, provenAt, unsure }) => ({
    id,
    sequence,
    startedAt,
    proven: provenAt !== null,
    partly: unsure !== null,
    wayBack: isRecoveryPoint(id),
  }));
  const reasons = reasonsToKeep(keepable, rules, now);
  return copies.filter(({ id }) => reasons.get(id)?.length === 0).toSorted((a, b) => a.sequence - b.sequence);
}

async function isThere(
  backups: Pick<BackupsPort, 'manifest'>,
  place: { source: string; repository: string; location: string },
  signal: AbortSignal,
): Promise<boolean> {
  try {
    await backups.manifest(place, { signal });
    return true;
  } catch (thrown) {
    if (StewardError.from(thrown).code === 'NOT_FOUND') return false;
    throw thrown;
  }
}
