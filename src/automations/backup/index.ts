import { z } from 'zod';
import { defineAutomation } from '../../core/automation.ts';
import { keepsRemoved, type RenewedLock } from '../../core/backup/object-lock.ts';
import { locksOf } from '../../core/backup/original.ts';
import type { BackupRepository } from '../../core/backup/repository.ts';
import { type BackupSource, DATABASE_KINDS } from '../../core/backup/source.ts';
import { Targets, targetKinds } from '../../core/backup/targets.ts';
import { StewardError } from '../../core/errors.ts';
import { naming } from '../../core/naming.ts';

const ATTEMPTS = 3;
const TOLD = 50;

export default defineAutomation({
  name: 'backup',
  version: 1,
  title: 'Back up',
  summary:
    'Copies databases and files to their repositories, each at one consistent instant, and leaves what is there alone.',
  category: 'backup',
  effect: 'write',
  priority: 'P0',
  ifMissed: 'data that is lost stays lost',
  load: 'io',
  // A night's copies take hours, and each needs its own original only.
  givesWay: true,
  needs: ['backups', 'copies'],
  cli: ['backup', 'run'],
  cliArguments: ['sources'],
  input: z.object({
    sources: z
      .array(naming('source', z.string().min(1)))
      .optional()
      .describe('Names of sources; by default all of them.'),
    targets: Targets,
    scope: z
      .enum(['databases', 'everything'])
      .default('everything')
      .describe('databases: only what changes all the time.'),
    repositories: z
      .array(naming('repository', z.string().min(1)))
      .optional()
      .describe('Only to these repositories.'),
  }),
  output: z.object({
    copies: z.array(
      z.object({
        copy: z.string(),
        source: z.string(),
        repository: z.string(),
        snapshotAt: z.string().describe('Of which instant the data is.'),
        bytes: z.number(),
        storedBytes: z.number(),
      }),
    ),
    failed: z.array(z.object({ source: z.string(), repository: z.string(), error: z.string() })),
    leftOut: z
      .array(z.object({ source: z.string(), what: z.string(), why: z.string() }))
      .describe('What is not in a copy, or may be torn in it, because it was written to meanwhile.'),
    locks: z
      .array(
        z.object({
          repository: z.string(),
          until: z.string().optional().describe('Until when its bucket keeps all that copies there need.'),
          renewed: z.number().describe('Objects that are locked for longer now.'),
          problem: z.string().optional(),
        }),
      )
      .optional()
      .describe('Of repositories whose buckets are to be locked.'),
  }),
  examples: [
    { title: 'Everything', input: {} },
    { title: 'One source', input: { sources: ['etc'] } },
  ],
  safeguards: { timeout: '1h', limit: 'long', limitOf: 'change', retry: { attempts: ATTEMPTS, backoff: '5s' } },

  async analyze({ input, ports, signal, progress }) {
    const repositories = ports.backups.repositories();
    const wanted = chosen(ports.backups.sources(), input);
    const items = [];
    for (const [index, source] of wanted.entries()) {
      progress({ done: index, total: wanted.length, message: `looking at ${source.name}` });
      const places = (source.repositories ?? repositories.map(({ name }) => name)).filter(
        (name) => input.repositories === undefined || input.repositories.includes(name),
      );
      const { parts, leftOut, estimatedBytes, problem } = await ports.backups
        .examine(source.name, { signal })
        .catch((thrown: unknown) => unexamined(thrown, signal));
      items.push({
        source: source.name,
        kind: source.kind,
        repositories: places,
        parts: parts.slice(0, TOLD),
        leftOut: leftOut.slice(0, TOLD),
        estimatedBytes: estimatedBytes ?? null,
        problem: problem ?? null,
      });
    }
    return { items };
  },

  async validate({ input, ports }, { items }) {
    // Where nobody names a database there is none to copy every six hours, and nothing is wrong.
    if (items.length === 0 && input.sources === undefined && input.targets === undefined) return [];
    const known = new Set(ports.backups.repositories().map(({ name }) => name));
    return [
      {
        name: 'There is something to back up, and somewhere to put it',
        ok: known.size > 0 && items.some(({ repositories }) => repositories.length > 0),
        evidence: {
          sources: items.map(({ source }) => source),
          hint: 'backups.sources and backups.repositories in steward.yaml name both; `steward backup proposals` shows what was found.',
        },
      },
    ];
  },

  async plan({ ports }, { items }) {
    const locked = lockedOf(ports.backups.repositories());
    return items.flatMap(({ source, kind, repositories, parts, leftOut, estimatedBytes, problem }) =>
      repositories.map((repository) => ({
        id: `${source}@${repository}`,
        title: `Copy ${source} (${kind}${estimatedBytes === null ? '' : `, about ${size(estimatedBytes)}`}) to ${repository}`,
        reason:
          [
            problem
              ? `It cannot be read now: ${problem.message} It is tried once more, and what comes of it written down.`
              : '',
            parts.length > 0 ? `In it: ${parts.join(', ')}.` : '',
            ...leftOut.map(({ what, why }) => `Left out: ${what}, ${why}.`),
            locked.has(repository)
              ? 'Then what its bucket locks for less than half of its time is locked for all of it again.'
              : '',
          ]
            .filter(Boolean)
            .join(' ') || undefined,
        // A good copy of one source is not taken back because another could not be made.
        undo: 'none' as const,
        additive: true,
        source,
        kind,
        repository,
      })),
    );
  },

  basis: ({ items }) => ({
    copies: items.flatMap(({ source, repositories }) => repositories.map((repository) => `${source}@${repository}`)),
  }),

  async execute(context, { id, source, kind, repository }, { facts, attempt }) {
    const { ports, run, node, signal, progress, log, holding } = context;
    const copy = copyIdOf(run.id, id, facts.items);
    const begin = () => ports.copies.begin({ id: copy, source, kind, repository, runId: run.id });
    const make = async () => {
      const begun = await begin();
      const { removed, unlocked } = await ports.backups.tidy(repository, { signal });
      if (removed.length + unlocked.length > 0)
        log.info('removed what an attempt before left', {
          repository,
          removed: removed.length,
          locks: unlocked.length,
        });
      if (facts.items.some((item) => item.source === source && item.problem !== null)) {
        const { problem } = await ports.backups.examine(source, { signal });
        if (problem) throw new StewardError('PRECONDITION_FAILED', problem.message, { hint: problem.hint });
      }
      const made = await ports.backups.make(
        { id: copy, source, repository, at: begun.startedAt, first: begun.first },
        {
          signal,
          progress: ({ bytes, message }) =>
            progress({ done: bytes, message: `${source} to ${repository}: ${message ?? size(bytes)}` }),
        },
      );
      await ports.copies.complete(copy, made);
      const { manifest, storedBytes } = made;
      const bytes = manifest.parts.reduce((total, part) => total + part.bytes, 0);
      const leftOut = manifest.leftOut.slice(0, TOLD);
      return { copy, made: { snapshotAt: manifest.snapshotAt, bytes, storedBytes }, leftOut, error: null };
    };
    /** An older copy needs it also where this one could not be made. */
    const renewLock = async () => {
      if (!lockedOf(ports.backups.repositories()).has(repository)) return null;
      try {
        const renewal = await ports.backups.renewLock(repository, { signal });
        return renewal ? toldLock(renewal) : null;
      } catch (thrown) {
        if (signal.aborted) throw thrown;
        const { message } = StewardError.from(thrown);
        log.warn('the lock of a bucket was not renewed', { repository, reason: message });
        return { renewed: 0, problem: message };
      }
    };
    try {
      const copied = await holding(await locksOf(ports.backups, [source], { node, signal }), make);
      return { ...copied, lock: await renewLock() };
    } catch (thrown) {
      const error = StewardError.from(thrown);
      if (signal.aborted || (error.retryable && attempt < ATTEMPTS)) throw thrown;
      // What was never begun, because somebody else had the original all the time, is missed like what broke off.
      await begin();
      await ports.copies.fail(copy, error.hint ? `${error.message} ${error.hint}` : error.message);
      return { copy, made: null, leftOut: [], error: error.message, lock: await renewLock() };
    }
  },

  async verify({ ports, signal }, { applied }) {
    return await Promise.all(
      applied.map(async ({ change: { source, repository }, receipt: { copy, error } }) => {
        const name = `A whole copy of ${source} is in ${repository}`;
        if (error !== null) return { name, ok: false, evidence: { error } };
        const [row] = await ports.copies.find({ id: copy });
        if (row?.status !== 'complete' || row.location === null)
          return { name, ok: false, evidence: { status: row?.status ?? 'unknown' } };
        const manifest = await ports.backups.manifest({ source, repository, location: row.location }, { signal });
        return {
          name,
          ok: manifest.copy === copy && manifest.parts.length > 0,
          evidence: { copy, location: row.location, parts: manifest.parts.length, contents: manifest.contents },
        };
      }),
    );
  },

  record({ facts, applied }) {
    const locks = locksTold(applied.map(({ change, receipt }) => ({ ...change, ...receipt })));
    return {
      ...(locks.length > 0 && { locks }),
      copies: applied.flatMap(({ change: { source, repository }, receipt: { copy, made } }) =>
        made ? [{ copy, source, repository, ...made }] : [],
      ),
      failed: applied.flatMap(({ change: { source, repository }, receipt: { error } }) =>
        error === null ? [] : [{ source, repository, error }],
      ),
      leftOut: leftOutOf([
        ...facts.items.map(({ source, leftOut }) => ({ source, leftOut })),
        ...applied.map(({ change: { source }, receipt: { leftOut } }) => ({ source, leftOut })),
      ]),
    };
  },
});

const lockedOf = (repositories: readonly BackupRepository[]): ReadonlySet<string> =>
  new Set(repositories.filter(keepsRemoved).map(({ name }) => name));

interface ToldLock {
  readonly renewed: number;
  readonly until?: string;
  readonly problem?: string;
}

function toldLock({ lock: { state, until, message }, renewed, refused }: RenewedLock): ToldLock {
  const problem = state !== 'locked' || refused !== undefined ? message : undefined;
  return { renewed, ...(until !== undefined && { until }), ...(problem !== undefined && { problem }) };
}

/** As the last copy to each left it, and what was renewed after any of them. */
function locksTold(copies: readonly { readonly repository: string; readonly lock?: ToldLock | null }[]) {
  const told = new Map<string, ToldLock & { readonly repository: string }>();
  for (const { repository, lock } of copies)
    if (lock)
      told.set(repository, { repository, ...lock, renewed: lock.renewed + (told.get(repository)?.renewed ?? 0) });
  return [...told.values()];
}

type Wanted = { sources?: string[] | undefined; targets?: string[] | undefined; scope: 'databases' | 'everything' };

function chosen(all: readonly BackupSource[], { sources, targets, scope }: Wanted): BackupSource[] {
  for (const name of sources ?? []) {
    if (all.some((source) => source.name === name)) continue;
    throw new StewardError('NOT_FOUND', `The configuration has no source '${name}'.`, {
      hint: `There are: ${all.map((source) => source.name).join(', ') || 'none'}.`,
    });
  }
  const kinds = targets && targetKinds(targets);
  return all.filter(
    ({ name, kind }) =>
      (sources === undefined || sources.includes(name)) &&
      (kinds === undefined || kinds.has(kind)) &&
      (sources !== undefined || kinds !== undefined || scope === 'everything' || DATABASE_KINDS.has(kind)),
  );
}

/** What was known before, and what turned out while it was copied; each once, though it was copied to several places. */
function leftOutOf(
  all: readonly {
    readonly source: string;
    readonly leftOut: readonly { readonly what: string; readonly why: string }[];
  }[],
) {
  const told = new Map<string, { source: string; what: string; why: string }>();
  for (const { source, leftOut } of all)
    for (const { what, why } of leftOut) told.set(JSON.stringify([source, what]), { source, what, why });
  return [...told.values()];
}

function unexamined(thrown: unknown, signal: AbortSignal) {
  if (signal.aborted) throw thrown;
  const { message, hint } = StewardError.from(thrown);
  return {
    parts: [],
    leftOut: [],
    estimatedBytes: undefined,
    problem: { message, hint: hint ?? 'See the log of this run.' },
  };
}

/** The same for every attempt at it, through crashes: the run and the place of the copy in it. */
function copyIdOf(
  run: string,
  change: string,
  items: readonly { readonly source: string; readonly repositories: readonly string[] }[],
): string {
  const all = items.flatMap(({ source, repositories }) => repositories.map((repository) => `${source}@${repository}`));
  return `cp_${run.replace(/^run_/, '')}_${all.indexOf(change) + 1}`;
}

function size(bytes: number): string {
  const units = ['B', 'KB', 'MB', 'GB', 'TB'];
  const step = bytes < 1_024 ? 0 : Math.min(units.length - 1, Math.floor(Math.log2(bytes) / 10));
  return `${(bytes / 1_024 ** step).toFixed(step === 0 ? 0 : 1)} ${units[step]}`;
}
