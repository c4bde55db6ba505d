import { copyBefore, recoveryPointOf } from '../../core/backup/copy-before.ts';
import { diverged, tookTooLong } from '../../core/database/divergence.ts';
import { formatDuration } from '../../core/duration.ts';
import { StewardError } from '../../core/errors.ts';
import type { CheckedMigration, Rehearsal, StepDone } from '../../core/ports/migrations.ts';
import { type Ctx, type Facts, named, setOf } from './analyze.ts';
import { type MigrationChange, RECOVERY, REHEARSE } from './plan.ts';
import type { RehearsalReport } from './schema.ts';

export type Receipt =
  | { readonly did: 'rehearse'; readonly report: RehearsalReport }
  | { readonly did: 'copy'; readonly copy: string }
  | { readonly did: 'step'; readonly done: StepDone };

/** For as long a former self, which a crash ended, may still hold the lock. */
const FORMER_SELF_MS = 60_000;
const DEFAULT_STATEMENT_MS = 3_600_000;

export const recoveryIdOf = (run: string): string => recoveryPointOf(run, 'before');

export async function execute(
  ctx: Ctx,
  change: MigrationChange,
  {
    facts,
    receipts,
    attempt,
  }: { readonly facts: Facts; readonly receipts: ReadonlyMap<string, unknown>; readonly attempt: number },
): Promise<Receipt> {
  if (change.id === REHEARSE) return { did: 'rehearse', report: await rehearse(ctx, facts) };
  if (change.id === RECOVERY) return { did: 'copy', copy: await makeRecoveryPoint(ctx, facts) };
  const { input, ports, run, signal, progress, lease } = ctx;
  const { set, target, steps, applied } = facts;
  const migration = named(await ports.migrations.read(set.folder, set.source), change.version ?? '');
  // The other side counts, too: where nothing rolls back, it is run at once when a statement fails.
  assertAsPlanned(migration, change);
  const earlier = steps
    .slice(
      0,
      steps.findIndex(({ version }) => version === migration.version),
    )
    .map(({ version }) => version);
  const expects =
    input.direction === 'up' ? [...applied, ...earlier] : applied.filter((version) => !earlier.includes(version));
  progress({ done: earlier.length, total: steps.length, message: change.title });
  const rehearsed = rehearsedIn(receipts);
  // A node that was thought lost must not migrate beside its successor.
  await lease();
  const done = await ports.migrations
    .step(
      {
        target,
        migration,
        direction: input.direction,
        expects,
        run: run.id,
        waitMs: attempt > 1 ? FORMER_SELF_MS : 0,
        lockTimeoutMs: set.lockTimeoutMs,
        statementTimeoutMs: statementLimit(facts, rehearsed),
        held: heldIn(rehearsed, facts, migration.file),
      },
      { signal },
    )
    .catch((thrown: unknown) => {
      throw withCommand(asDivergence(thrown, facts, { rehearsed, file: migration.file }), ctx, facts, change);
    });
  return { did: 'step', done };
}

/** What is run is what was planned, and what was rehearsed. */
function assertAsPlanned(
  { checksum, downChecksum, file, down }: CheckedMigration,
  planned: { readonly checksum?: string | undefined; readonly downChecksum?: string | null | undefined },
): void {
  const changed =
    checksum !== planned.checksum
      ? file
      : downChecksum !== (planned.downChecksum ?? null)
        ? (down?.file ?? `the down file of ${file}`)
        : undefined;
  if (changed === undefined) return;
  throw new StewardError('CONFLICT', `${changed} was changed since the plan was made: nothing was done with it.`, {
    hint: 'Look at it, and start again.',
  });
}

const rehearsedIn = (receipts: ReadonlyMap<string, unknown>): RehearsalReport | undefined =>
  (receipts.get(REHEARSE) as Extract<Receipt, { did: 'rehearse' }> | undefined)?.report;

/** How long the longest file took there; undefined where not all were tried: what was not may take as long as it takes here. */
function longestMs(rehearsed: RehearsalReport | undefined): number | undefined {
  if (!rehearsed?.steps.length || rehearsed.steps.some(({ tried }) => !tried)) return undefined;
  return Math.max(...rehearsed.steps.map(({ seconds }) => seconds * 1_000));
}

function statementLimit({ set }: Pick<Facts, 'set'>, rehearsed: RehearsalReport | undefined): number {
  if (set.statementTimeoutMs !== undefined) return set.statementTimeoutMs;
  const longest = longestMs(rehearsed);
  if (longest === undefined) return DEFAULT_STATEMENT_MS;
  return Math.round(Math.max(set.divergence.leastMs, set.divergence.times * longest));
}

/** Only PostgreSQL tells of its locks. */
function heldIn(rehearsed: RehearsalReport | undefined, { kind }: Facts, file: string) {
  const step = rehearsed?.steps.find((one) => one.file === file);
  return kind === 'postgres' && step?.tried ? step.locks.map(({ relation, mode }) => ({ relation, mode })) : undefined;
}

/** One that takes far longer than in its rehearsal meets something that the copy did not have. */
function asDivergence(
  thrown: unknown,
  { set }: Facts,
  { rehearsed, file }: { readonly rehearsed: RehearsalReport | undefined; readonly file: string },
): unknown {
  const longest = longestMs(rehearsed);
  const { code, message } = StewardError.from(thrown);
  if (code !== 'TIMEOUT' || longest === undefined || set.statementTimeoutMs !== undefined) return thrown;
  const because = `${formatDuration(Math.max(1, Math.round(longest)))} at most in the rehearsal`;
  return diverged(file, tookTooLong(statementLimit({ set }, rehearsed), { because }), { told: message, cause: thrown });
}

async function rehearse({ input, ports, run, signal, log, progress }: Ctx, facts: Facts): Promise<RehearsalReport> {
  const { set, target, steps, copy, applied } = facts;
  if (!copy) throw new StewardError('INTERNAL', 'A rehearsal was planned without a copy.');
  progress({ done: 0, message: `restoring copy ${copy.id} to rehearse on` });
  await ports.backups.sweep({ signal });
  const migrations = await ports.migrations.read(set.folder, set.source);
  for (const step of steps) assertAsPlanned(named(migrations, step.version), step);
  const rehearsal = await ports.migrations.rehearse(
    {
      place: { source: set.source, repository: copy.repository, location: copy.location },
      target,
      steps: steps.map(({ version }) => ({ migration: named(migrations, version), direction: input.direction })),
      catchUp: migrations.filter(({ version }) => applied.includes(version)),
      owner: run.id,
      lockTimeoutMs: set.lockTimeoutMs,
      statementTimeoutMs: set.statementTimeoutMs ?? DEFAULT_STATEMENT_MS,
    },
    { signal },
  );
  if (!rehearsal.possible) log.warn('nothing was rehearsed', { statement: rehearsal.statement });
  else if (!rehearsal.ok)
    throw new StewardError('VERIFICATION_FAILED', rehearsal.statement, {
      hint: 'The original was not touched. Correct the file; --no-rehearse goes without.',
    });
  if (rehearsal.wayBack?.ok === false)
    log.warn('the way back does not work', { statement: rehearsal.wayBack.statement });
  return reportOf(rehearsal, copy.id);
}

function reportOf(
  { possible, statement, restoreMs, steps, counts, wayBack }: Rehearsal,
  copy: string,
): RehearsalReport {
  return {
    copy,
    possible,
    statement,
    restoreSeconds: seconds(restoreMs),
    steps: steps.map(({ file, already, durationMs, locks, rewrites }) => ({
      file,
      tried: !already,
      seconds: seconds(durationMs),
      locks: locks.map(({ relation, mode, heldMs }) => ({ relation, mode, seconds: seconds(heldMs) })),
      rewrites: [...rewrites],
    })),
    counts: counts.map(({ table, before, after }) => ({ table, before, after })),
    wayBack: wayBack?.statement ?? null,
  };
}

async function makeRecoveryPoint(
  { ports, run, signal, progress }: Ctx,
  { target, repository, sourceKind }: Facts,
): Promise<string> {
  if (repository === null)
    throw new StewardError('PRECONDITION_FAILED', 'There is no repository for the recovery point.', {
      hint: 'Name one in backups.repositories; --no-recovery-point goes without.',
    });
  const copy = recoveryIdOf(run.id);
  const { source } = target;
  await copyBefore(
    ports,
    { id: copy, source, kind: sourceKind, repository, runId: run.id },
    {
      signal,
      progress: ({ bytes, message }) =>
        progress({ done: bytes, message: `recovery point: ${message ?? `${bytes} bytes`}` }),
    },
  );
  return copy;
}

/** A migration that could not be rolled back says by which command everything is as before. */
function withCommand(
  thrown: unknown,
  { input, run }: Ctx,
  { steps, target }: Facts,
  { version }: MigrationChange,
): unknown {
  const error = StewardError.from(thrown);
  const whole = steps.find((step) => step.version === version)?.whole ?? true;
  if (whole || !input.recoveryPoint || error.code === 'LOCKED' || error.code === 'CANCELED') return thrown;
  const command = restoreCommand(target.source, recoveryIdOf(run.id));
  return new StewardError(error.code, error.message, {
    hint: `${error.hint ?? ''} To have everything as before: ${command}`.trim(),
    retryable: error.retryable,
    cause: thrown,
  });
}

export const restoreCommand = (source: string, copy: string): string =>
  `steward backup restore ${source} --copy ${copy}`;

/** Takes one back by its other side; where there is none, says what does. What another run applied stays. */
export async function rollback(ctx: Ctx, change: MigrationChange, receipt: Receipt | undefined): Promise<void> {
  if (change.version === undefined || (receipt !== undefined && receipt.did !== 'step')) return;
  const { input, ports, run, signal, lease } = ctx;
  const { set, rows, migration, direction } = await standingNow(ctx, change.version);
  const row = rows.find(({ version }) => version === migration.version);
  if ((row !== undefined) === (direction === 'up')) return;
  // Whoever is ended between the commit and the word of it finds it done already: then its row says whose it is. What was taken
  // back has no row.
  const already = receipt?.done.already;
  if (direction === 'down' ? already !== false && row?.run !== run.id : already === true) return;
  if (direction === 'down' && !migration.down) {
    const [copy] = await ports.copies.find({ id: recoveryIdOf(run.id) });
    throw new StewardError(
      'PRECONDITION_FAILED',
      `${migration.file} has no down file, so only the copy from before takes it back${input.recoveryPoint && copy ? '' : ', if there is one'}.`,
      {
        hint: `What was written since is lost with it: ${restoreCommand(set.source, copy?.id ?? '<copy>')} (steward backup history --source ${set.source})`,
      },
    );
  }
  await lease();
  await ports.migrations.step(
    {
      target: set,
      migration,
      direction,
      expects: rows.map(({ version }) => version),
      run: run.id,
      waitMs: FORMER_SELF_MS,
      lockTimeoutMs: set.lockTimeoutMs,
      statementTimeoutMs: set.statementTimeoutMs ?? DEFAULT_STATEMENT_MS,
    },
    { signal },
  );
}

async function standingNow({ input, ports, signal }: Ctx, version: string) {
  const set = setOf(ports.migrations.sets(), input);
  const migration = named(await ports.migrations.read(set.folder, set.source), version);
  const { rows } = await ports.migrations.look(set, { signal });
  const direction: 'up' | 'down' = input.direction === 'up' ? 'down' : 'up';
  return { set, migration, direction, rows };
}

const seconds = (milliseconds: number): number => Math.round(milliseconds) / 1_000;
