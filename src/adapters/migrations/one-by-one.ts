import type { StewardError } from '../../core/errors.ts';
import type { Script } from '../../core/migration/files.ts';
import { namedIn } from '../../core/migration/lint.ts';
import type { AppliedRow } from '../../core/migration/standing.ts';
import type { SqlKind } from '../../core/migration/statements.ts';
import type { CheckedMigration, StepDone } from '../../core/ports/migrations.ts';
import { failedAt, halfDone, saidBy } from './failures.ts';
import { removeRow, rowOf, type SqlSession, type Step, writeRow } from './session.ts';

/** A script that its engine does not take back as one. */
interface Apart {
  readonly script: Script;
  /** Tables without transactions that it names. */
  readonly keeping: readonly string[];
  /** Its row until now. */
  readonly before: AppliedRow | undefined;
}

/** What ran is on record before the next one runs, so that whoever comes after a crash can say how far it came. */
export async function oneByOne(session: SqlSession, apart: Apart, step: Step): Promise<StepDone> {
  const { script } = apart;
  const startedAt = performance.now();
  const statements: StepDone['statements'][number][] = [];
  const total = script.statements.length;
  const state = step.direction === 'up' ? 'running' : 'reverting';
  await writeRow(session, rowOf(step, { state, durationMs: 0, done: 0, total }));
  for (const { sql, line } of script.statements) {
    const began = performance.now();
    try {
      await session.run(sql);
    } catch (thrown) {
      throw await stopped(session, apart, step, { at: statements.length, line, thrown });
    }
    statements.push({ line, durationMs: performance.now() - began });
    await session.rows(`update ${session.table} set done = ? where version = ?`, [
      statements.length,
      step.migration.version,
    ]);
  }
  const durationMs = performance.now() - startedAt;
  if (step.direction === 'up')
    await writeRow(session, rowOf(step, { state: 'applied', durationMs, done: total, total }));
  else await removeRow(session, step.migration.version);
  return { already: false, durationMs, statements, locks: [], rewrites: [] };
}

/** What may have done a part of what it says before it failed. */
const IN_PARTS: Readonly<Record<SqlKind, RegExp>> = {
  postgres: /\bconcurrently\b|^(call|do|reindex (\([^)]*\) )?(database|schema|system))\b/i,
  mysql: /^(call|do|begin|execute)\b|^(drop|create user|create role|grant|revoke)\b.*,/i,
  sqlite: /^$/,
};

/** One of several that stand alone failed: says which ran, and takes them back by the down file where there is one. */
async function stopped(
  session: SqlSession,
  { script, keeping, before }: Apart,
  step: Step,
  { at, line, thrown }: { readonly at: number; readonly line: number; readonly thrown: unknown },
): Promise<StewardError> {
  const { migration, direction } = step;
  const total = script.statements.length;
  const { sql = '', shape = '' } = script.statements[at] ?? {};
  const kept = [...namedIn([{ up: { sql } }], keeping)];
  const inParts = kept.length > 0 || IN_PARTS[session.kind].test(shape);
  const ran =
    at === 0
      ? 'Nothing before it ran'
      : `Already in force, since the engine cannot roll them back: those of line ${linesOf(script, 0, at)}`;
  const told = [
    `${ran}${at + 1 < total ? `; not run: those of line ${linesOf(script, at + 1)}` : ''}.`,
    ...(kept.length > 0 ? [`Tables without transactions kept what it did to their rows: ${kept.join(', ')}.`] : []),
    ...(inParts && kept.length === 0 ? ['It may have done a part of what it says.'] : []),
  ].join(' ');
  const keep = async (error: string): Promise<void> => {
    try {
      await writeRow(session, rowOf(step, { state: 'failed', durationMs: 0, done: at, total, error }));
    } catch {
      // Then its row says that it runs, and whoever comes next finds it half-done.
    }
  };
  if (at === 0 && !inParts) {
    const back = before ? writeRow(session, before) : removeRow(session, migration.version);
    await back.catch(() => undefined);
    return failedAt(script, line, thrown, told);
  }
  const failed = `line ${line} failed (${saidBy(thrown, script.sql)}). ${told}`;
  const back = direction === 'up' ? migration.down : undefined;
  if (!back) {
    await keep(failed);
    const none = direction === 'up' ? ' There is no down file to take them back.' : '';
    return failedAt(script, line, thrown, `${told}${none}`);
  }
  const failure = await takeBack(session, back);
  if (failure === undefined) {
    await removeRow(session, migration.version).catch(() => undefined);
    return failedAt(script, line, thrown, `${told} ${back.file} was run, and took them back.`);
  }
  await keep(`${failed} Its down script failed too: ${failure}`);
  return failedAt(script, line, thrown, `${told} ${back.file} was run to take them back, and failed: ${failure}.`);
}

/** What was not made yet need not be taken back; whatever else fails ends it, since what comes behind rests on that. */
async function takeBack(session: SqlSession, back: Script): Promise<string | undefined> {
  for (const [at, { sql, line }] of back.statements.entries()) {
    try {
      await session.run(sql);
    } catch (thrown) {
      if (session.isAbsent(thrown)) continue;
      const rest = at + 1 < back.statements.length ? `; not run: those of line ${linesOf(back, at + 1)}` : '';
      return `line ${line}: ${saidBy(thrown, back.sql)}${rest}`;
    }
  }
  return undefined;
}

const linesOf = ({ statements }: Script, from: number, to?: number): string =>
  statements
    .slice(from, to)
    .map(({ line }) => line)
    .join(', ');

/** Its lock is ours, so whoever applied it, or took it back, is gone. */
export async function leftHalfDone(
  session: SqlSession,
  row: AppliedRow,
  migration: CheckedMigration,
): Promise<StewardError> {
  const [who, script] = row.state === 'reverting' ? ['took it back', migration.down] : ['applied it', migration.up];
  const next = script?.statements[row.done];
  const error = `whoever ${who} (${row.run}) ended in its midst: ${row.done} of ${row.total} statements ran${next ? `, and the one of line ${next.line} may have` : ''}`;
  await writeRow(session, { ...row, state: 'failed', error });
  return halfDone(migration, error);
}
