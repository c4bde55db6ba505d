import { StewardError } from '../../core/errors.ts';
import type { Script } from '../../core/migration/files.ts';
import type { AppliedRow } from '../../core/migration/standing.ts';
import type { CheckedMigration, MigrationStep, StepDone } from '../../core/ports/migrations.ts';
import { codeOf, saidBy, whatToDo } from './failures.ts';
import { makeRecord, recordIn, removeRow, type SqlSession, writeRow } from './session.ts';

const ROLLED_BACK = 'All of it was rolled back: the schema is as it was.';

export type Step = Omit<MigrationStep, 'target'> & { readonly now: string };

/** Applies a migration or takes it back: in one transaction with its row, or statement by statement where that cannot be. */
export async function takeStep(session: SqlSession, step: Step): Promise<StepDone> {
  const { migration, direction, expects, waitMs } = step;
  await session.lock(waitMs);
  await makeRecord(session);
  const rows = await recordIn(session);
  const row = rows.find(({ version }) => version === migration.version);
  const others = rows.filter(({ version }) => version !== migration.version).map(({ version }) => version);
  assertNobodyElse(others, expects, migration);
  if (row?.state === 'running') throw await leftHalfDone(session, row, migration);
  if (row?.state === 'failed') throw halfDone(migration, row.error ?? 'it stayed half-done');
  const reached = direction === 'up' ? row !== undefined : row === undefined;
  if (reached) return { already: true, durationMs: row?.durationMs ?? 0, statements: [], locks: [], rewrites: [] };
  const script = direction === 'up' ? migration.up : migration.down;
  if (!script)
    throw new StewardError('PRECONDITION_FAILED', `${migration.file} has no way back.`, {
      hint: 'Write a down file for it, or restore the copy from before.',
    });
  await session.limit(step);
  return script.whole ? await asOne(session, script, step) : await oneByOne(session, script, step);
}

function assertNobodyElse(
  others: readonly string[],
  expects: readonly string[],
  { version, file }: CheckedMigration,
): void {
  const wanted = expects.filter((each) => each !== version);
  const more = others.filter((each) => !wanted.includes(each));
  const less = wanted.filter((each) => !others.includes(each));
  if (more.length + less.length === 0) return;
  const what = [
    more.length > 0 ? `also applied: ${more.join(', ')}` : '',
    less.length > 0 ? `no longer applied: ${less.join(', ')}` : '',
  ];
  throw new StewardError(
    'CONFLICT',
    `The database has moved since the plan was made (${what.filter(Boolean).join('; ')}): ${file} was not touched.`,
    {
      hint: 'Somebody else migrates it. Look at steward migrations, and start again.',
    },
  );
}

async function asOne(session: SqlSession, script: Script, step: Step): Promise<StepDone> {
  const startedAt = performance.now();
  const statements: StepDone['statements'][number][] = [];
  const unsound = new Set(session.kind === 'sqlite' ? await session.problems() : []);
  await session.rows(session.begin).catch((thrown: unknown) => {
    throw failedAt(script, undefined, thrown, 'Nothing was changed.');
  });
  const watch = await session.watch?.();
  try {
    // Where the transaction is the lock, only now nobody else can have been here.
    if (session.kind === 'sqlite' && (await doneMeanwhile(session, step))) {
      await session.rows('rollback');
      return { already: true, durationMs: 0, statements: [], locks: [], rewrites: [] };
    }
    for (const { sql, line } of script.statements) {
      const began = performance.now();
      await session.run(sql).catch((thrown: unknown) => {
        throw failedAt(script, line, thrown, ROLLED_BACK);
      });
      statements.push({ line, durationMs: performance.now() - began });
      await watch?.seen();
    }
    // SQLite looks at keys only when it is asked, and what is wrong can still be taken back here.
    const broken =
      session.kind === 'sqlite' ? (await session.problems()).filter((problem) => !unsound.has(problem)) : [];
    if (broken.length > 0)
      throw new StewardError(
        'VERIFICATION_FAILED',
        `${script.file} would leave the database unsound: ${broken.slice(0, 5).join('; ')}. It was rolled back.`,
        { hint: 'Correct the file; nothing was changed.' },
      );
    const told = (await watch?.done()) ?? { locks: [], rewrites: [] };
    const durationMs = performance.now() - startedAt;
    if (step.direction === 'up')
      await writeRow(session, rowOf(step, { state: 'applied', durationMs, done: script.statements.length }));
    else await removeRow(session, step.migration.version);
    await commit(session, script);
    return { already: false, durationMs, statements, ...told };
  } catch (thrown) {
    await session.rows('rollback').catch(() => undefined);
    throw thrown;
  }
}

/** Somebody may have come between the look and the lock: this run's own former self, or another. */
async function doneMeanwhile(session: SqlSession, { migration, direction, expects }: Step): Promise<boolean> {
  const versions = (await recordIn(session)).map(({ version }) => version);
  const others = versions.filter((each) => each !== migration.version);
  assertNobodyElse(others, expects, migration);
  return versions.includes(migration.version) === (direction === 'up');
}

async function commit(session: SqlSession, script: Script): Promise<void> {
  try {
    await session.rows('commit');
  } catch (thrown) {
    const code = codeOf(thrown);
    if (code !== 'UNAVAILABLE') throw failedAt(script, undefined, thrown, 'It was rolled back whole.');
    throw new StewardError(
      'UNAVAILABLE',
      `The connection broke while ${script.file} was committed: ${saidBy(thrown)}`,
      {
        hint: 'It is applied wholly or not at all; steward migrations says which.',
        retryable: true,
        cause: thrown,
      },
    );
  }
}

/** What ran is on record before the next one runs, so that whoever comes after a crash can say how far it came. */
async function oneByOne(session: SqlSession, script: Script, step: Step): Promise<StepDone> {
  const startedAt = performance.now();
  const statements: StepDone['statements'][number][] = [];
  const state = { done: 0 };
  await writeRow(session, rowOf(step, { state: 'running', durationMs: 0, done: 0 }));
  for (const { sql, line } of script.statements) {
    const began = performance.now();
    try {
      await session.run(sql);
    } catch (thrown) {
      throw await stopped(session, script, step, { at: state.done, line, thrown });
    }
    state.done += 1;
    statements.push({ line, durationMs: performance.now() - began });
    await session.rows(`update ${session.table} set done = ? where version = ?`, [state.done, step.migration.version]);
  }
  const durationMs = performance.now() - startedAt;
  if (step.direction === 'up') await writeRow(session, rowOf(step, { state: 'applied', durationMs, done: state.done }));
  else await removeRow(session, step.migration.version);
  return { already: false, durationMs, statements, locks: [], rewrites: [] };
}

/** One of several that stand alone failed: says which ran, and takes them back by the down file where there is one. */
async function stopped(
  session: SqlSession,
  script: Script,
  step: Step,
  { at, line, thrown }: { readonly at: number; readonly line: number; readonly thrown: unknown },
): Promise<StewardError> {
  const { migration, direction } = step;
  const lines = (from: number, to?: number): string =>
    script.statements
      .slice(from, to)
      .map((each) => each.line)
      .join(', ');
  const ran =
    at === 0
      ? 'Nothing before it ran'
      : `Already in force, since the engine cannot roll them back: those of line ${lines(0, at)}`;
  const rest = at + 1 < script.statements.length ? `; not run: those of line ${lines(at + 1)}` : '';
  const told = `${ran}${rest}.`;
  const keep = async (error: string): Promise<void> => {
    try {
      await writeRow(session, rowOf(step, { state: 'failed', durationMs: 0, done: at, error }));
    } catch {
      // Then its row says `running`, and whoever comes next finds it half-done.
    }
  };
  // A single statement that failed left nothing, except an index that was being built beside its table.
  const nothing = at === 0 && !/\bconcurrently\b/i.test(script.statements[0]?.shape ?? '');
  if (nothing) {
    const before =
      direction === 'up'
        ? removeRow(session, migration.version)
        : writeRow(session, rowOf(step, { state: 'applied', durationMs: 0, done: migration.up.statements.length }));
    await before.catch(() => undefined);
    return failedAt(script, line, thrown, told);
  }
  const back = direction === 'up' ? migration.down : undefined;
  if (!back) {
    await keep(`line ${line} failed (${saidBy(thrown)}). ${told}`);
    return failedAt(
      script,
      line,
      thrown,
      `${told} ${direction === 'up' ? 'There is no down file to take them back.' : ''}`.trim(),
    );
  }
  const failures: string[] = [];
  for (const each of back.statements)
    await session.run(each.sql).catch((failure: unknown) => {
      // What was not made yet need not be taken back.
      if (!session.isAbsent(failure)) failures.push(`line ${each.line}: ${saidBy(failure)}`);
    });
  if (failures.length === 0) {
    await removeRow(session, migration.version).catch(() => undefined);
    return failedAt(script, line, thrown, `${told} ${back.file} was run, and took them back.`);
  }
  await keep(`line ${line} failed (${saidBy(thrown)}). ${told} Its down script failed too: ${failures.join('; ')}`);
  return failedAt(
    script,
    line,
    thrown,
    `${told} ${back.file} was run to take them back, and failed: ${failures.join('; ')}.`,
  );
}

/** Its lock is ours, so whoever applied it is gone. */
async function leftHalfDone(session: SqlSession, row: AppliedRow, migration: CheckedMigration): Promise<StewardError> {
  const statements = migration.up.statements;
  const next = statements[row.done];
  const error = `whoever applied it (${row.run}) ended in its midst: ${row.done} of ${row.total} statements ran${next ? `, and the one of line ${next.line} may have` : ''}`;
  await writeRow(session, { ...row, state: 'failed', error });
  return halfDone(migration, error);
}

function halfDone({ file, version }: CheckedMigration, why: string): StewardError {
  return new StewardError('PRECONDITION_FAILED', `${file} is half-done: ${why}.`, {
    hint: `Complete it or take it back by hand, or restore the copy from before; then say which: steward migrations resolve --migration ${version} --as applied (or --as pending)`,
  });
}

function failedAt({ file }: Script, line: number | undefined, thrown: unknown, told: string): StewardError {
  if (thrown instanceof StewardError && thrown.code === 'CANCELED') return thrown;
  const code = codeOf(thrown);
  return new StewardError(
    code,
    `${file}${line === undefined ? '' : `, line ${line}`} failed: ${saidBy(thrown)}. ${told}`,
    {
      hint: whatToDo(code),
      cause: thrown,
      // What was rolled back whole can be tried again by itself.
      retryable: code === 'LOCKED' && told === ROLLED_BACK,
    },
  );
}

function rowOf(
  { migration, run, now }: Step,
  how: {
    readonly state: AppliedRow['state'];
    readonly durationMs: number;
    readonly done: number;
    readonly error?: string;
  },
): AppliedRow {
  const { version, name, checksum, up } = migration;
  return { version, name, checksum, run, appliedAt: now, total: up.statements.length, error: null, ...how };
}
