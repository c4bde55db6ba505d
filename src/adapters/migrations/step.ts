import { diverged } from '../../core/database/divergence.ts';
import { StewardError } from '../../core/errors.ts';
import type { Script } from '../../core/migration/files.ts';
import { namedIn } from '../../core/migration/lint.ts';
import type { CheckedMigration, StepDone } from '../../core/ports/migrations.ts';
import { codeOf, failedAt, halfDone, ROLLED_BACK, saidBy } from './failures.ts';
import { leftHalfDone, oneByOne } from './one-by-one.ts';
import { makeRecord, recordIn, removeRow, rowOf, type SqlSession, type Step, writeRow } from './session.ts';

/** Applies a migration or takes it back: in one transaction with its row, or statement by statement where that cannot be. */
export async function takeStep(session: SqlSession, step: Step): Promise<StepDone> {
  const { migration, direction, expects, waitMs } = step;
  await session.lock(waitMs);
  await makeRecord(session);
  const rows = await recordIn(session);
  const row = rows.find(({ version }) => version === migration.version);
  const others = rows.filter(({ version }) => version !== migration.version).map(({ version }) => version);
  assertNobodyElse(others, expects, migration);
  if (row?.state === 'running' || row?.state === 'reverting') throw await leftHalfDone(session, row, migration);
  if (row?.state === 'failed') throw halfDone(migration, row.error ?? 'it stayed half-done');
  const reached = direction === 'up' ? row !== undefined : row === undefined;
  if (reached) return { already: true, durationMs: row?.durationMs ?? 0, statements: [], locks: [], rewrites: [] };
  const script = direction === 'up' ? migration.up : migration.down;
  if (!script)
    throw new StewardError('PRECONDITION_FAILED', `${migration.file} has no way back.`, {
      hint: 'Write a down file for it, or restore the copy from before.',
    });
  await session.limit(step);
  const keeping = [...namedIn([{ up: script }], (await session.keepsRows?.()) ?? [])];
  return script.whole && keeping.length === 0
    ? await asOne(session, script, step)
    : await oneByOne(session, { script, keeping, before: row }, step);
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
      await session.run(sql).catch(async (thrown: unknown) => {
        const done = statements.length;
        throw failedAt(script, line, thrown, await rolledBack(session, { script, done, line, thrown }, step));
      });
      statements.push({ line, durationMs: performance.now() - began });
      await watch?.seen();
      const beyond = step.held && watch?.beyond(step.held);
      if (beyond === undefined) continue;
      const ended = { script, done: statements.length, line, thrown: new Error(beyond) };
      throw diverged(`${script.file}, line ${line}`, beyond, { told: await rolledBack(session, ended, step) });
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
      await writeRow(
        session,
        rowOf(step, { state: 'applied', durationMs, done: statements.length, total: statements.length }),
      );
    else await removeRow(session, step.migration.version);
    await commit(session, script);
    return { already: false, durationMs, statements, ...told };
  } catch (thrown) {
    await session.rows('rollback').catch(() => undefined);
    throw thrown;
  }
}

/** What came of the rollback; where it did not take back all, the record says so. */
async function rolledBack(
  session: SqlSession,
  {
    script,
    done,
    line,
    thrown,
  }: { readonly script: Script; readonly done: number; readonly line: number; readonly thrown: unknown },
  step: Step,
): Promise<string> {
  const kept = await session
    .rows('rollback')
    .then(() => session.keptRows?.())
    .catch(() => false);
  if (kept !== true) return ROLLED_BACK;
  const told =
    'It was rolled back, but for rows of tables without transactions, which a trigger or a function reached.';
  const error = `line ${line} failed (${saidBy(thrown, script.sql)}). ${told}`;
  const row = rowOf(step, { state: 'failed', durationMs: 0, done, total: script.statements.length, error });
  await writeRow(session, row).catch(() => undefined);
  return told;
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
