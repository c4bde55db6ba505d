import type { LayerResult } from '../../core/backup/copy.ts';
import type { BackupSource } from '../../core/backup/source.ts';
import type { Doing } from '../../core/backup/store.ts';
import { StewardError } from '../../core/errors.ts';
import { namedIn, saysNotValid, unwanted } from '../../core/migration/lint.ts';
import type { CheckedMigration, Rehearsal, RehearsalOrder } from '../../core/ports/migrations.ts';
import type { WithSandbox } from '../backups/sandbox.ts';
import type { AnswerTo, Counted, Job } from './jobs.ts';
import { RECORD } from './session.ts';

export type Ask = <J extends Job>(source: BackupSource, database: string, job: J, doing: Doing) => Promise<AnswerTo<J>>;

type Planned = RehearsalOrder['steps'][number];

/**
 * Takes the steps in a restored copy and says what they did there. What the original had applied since the copy was made is
 * applied first. Rows that went from tables which no SQL names, an assertion that no longer holds, and what is unsound now and
 * was not before, are failures, too: nobody else writes there.
 */
export async function rehearse(
  withSandbox: WithSandbox,
  ask: Ask,
  order: RehearsalOrder & { readonly database: string; readonly now: string },
  doing: Doing,
): Promise<Rehearsal> {
  const { place, owner, database, steps, catchUp } = order;
  // A database beside the original holds back nothing of what a file may say.
  const loan = { place, owner, doing, beside: 'never' } as const;
  const nothing = { steps: [], counts: [], problems: [], wayBack: null };
  const rehearsed = withSandbox(loan, async ({ restore, standIn, assertions }): Promise<Rehearsal> => {
    const told = { ...nothing, possible: true, restoreMs: restore.durationMs };
    if (!restore.ok) return { ...told, ok: false, statement: `The copy could not be restored: ${restore.statement}` };
    const called = standIn?.called(database);
    if (!standIn || called === undefined)
      return { ...told, ok: false, statement: `The copy has no database ${database}.` };
    const { source } = standIn;
    const asked = <J extends Job>(job: J): Promise<AnswerTo<J>> => ask(source, called, job, doing);
    const look = async () => ({
      counts: await asked({ do: 'count' }),
      problems: (await asked({ do: 'look', assertions: [] })).problems,
      assertions: await assertions(doing),
    });
    const take = async ({ migration, direction }: Planned) => {
      const { rows } = await asked({ do: 'look', assertions: [] });
      const expects = rows.map(({ version }) => version);
      const { lockTimeoutMs, statementTimeoutMs, now } = order;
      const step = { migration, direction, expects, run: owner, waitMs: 0, lockTimeoutMs, statementTimeoutMs, now };
      return { ...(await asked({ do: 'step', step })), version: migration.version, file: migration.file };
    };

    const done: Rehearsal['steps'][number][] = [];
    try {
      for (const migration of catchUp) await take({ migration, direction: 'up' });
      const before = await look();
      for (const step of steps) done.push(await take(step));
      const after = await look();
      const counts = countsOf(before.counts, after.counts, steps);
      const notValid = steps.some(({ migration, direction }) => saysNotValid(sideOf(migration, direction)));
      const problems = [
        ...unwanted(
          after.problems.filter((problem) => !before.problems.includes(problem)),
          { notValid },
        ),
        ...after.assertions.layers
          .filter((each) => !each.ok && heldBefore(before.assertions.layers, each))
          .map(({ statement }) => statement),
        ...(after.assertions.obstacle === before.assertions.obstacle ? [] : [after.assertions.obstacle ?? []].flat()),
        ...counts
          .filter(({ named }) => !named)
          .map(({ table, before: was, after: is }) => `${table} has ${is} rows and had ${was}, though no SQL names it`),
      ];
      const ok = problems.length === 0;
      const there = done.filter(({ already }) => already).map(({ file }) => file);
      const untried = there.length > 0 ? ` The copy had ${there.join(', ')} already: not tried.` : '';
      const statement = ok
        ? `${done.length - there.length} ran in the copy.${untried}`
        : `They ran in the copy, and left it unsound: ${problems.slice(0, 5).join('; ')}.${untried}`;
      const wayBack =
        there.length > 0 ? null : await wayBackOf(steps, take, () => asked({ do: 'count' }), before.counts);
      return { ...told, ok, statement, steps: done, counts, problems, wayBack };
    } catch (thrown) {
      const { code, message } = StewardError.from(thrown);
      if (code === 'CANCELED' || doing.signal.aborted) throw thrown;
      return { ...told, steps: done, ok: false, statement: `In the copy it fails: ${message}` };
    }
  });
  return await rehearsed.catch((thrown: unknown) => {
    if (StewardError.from(thrown).code !== 'NOT_IMPLEMENTED') throw thrown;
    return { ...nothing, possible: false, ok: false, restoreMs: 0, statement: NO_PLACE };
  });
}

const NO_PLACE =
  'This machine has no server of its own to rehearse on, and what names a database or a user would reach the original: nothing was rehearsed.';

/** Down files are seldom run before they are needed: each is run here, and has to leave the tables that were there before. */
async function wayBackOf(
  steps: readonly Planned[],
  take: (step: Planned) => Promise<unknown>,
  counted: () => Promise<readonly Counted[]>,
  before: readonly Counted[],
): Promise<Rehearsal['wayBack']> {
  const ways = steps
    .filter(({ direction, migration }) => direction === 'up' && migration.down)
    .map(({ migration }) => migration);
  if (ways.length < steps.length || ways.length === 0) return null;
  try {
    for (const migration of ways.toReversed()) await take({ migration, direction: 'down' });
  } catch (thrown) {
    return { ok: false, statement: `The way back fails: ${StewardError.from(thrown).message}` };
  }
  const tables = (all: readonly Counted[]): Set<string> =>
    new Set(all.map(({ table }) => table).filter((table) => !table.endsWith(RECORD)));
  const [was, is] = [tables(before), tables(await counted())];
  const wrong = [...was, ...is].filter((table) => !was.has(table) || !is.has(table));
  return wrong.length === 0
    ? { ok: true, statement: 'The down files take all of it back.' }
    : {
        ok: false,
        statement: `The down files do not take all of it back: ${wrong.map((table) => `${table} is ${is.has(table) ? 'left' : 'gone'}`).join(', ')}.`,
      };
}

function heldBefore(before: readonly LayerResult[], after: LayerResult): boolean {
  const name = ({ evidence }: LayerResult): string | undefined =>
    (evidence as { assertion?: string } | undefined)?.assertion;
  return before.some((each) => each.ok && name(each) === name(after));
}

function countsOf(
  before: readonly Counted[],
  after: readonly Counted[],
  steps: readonly Planned[],
): Rehearsal['counts'] {
  const named = namedIn(
    steps.map(({ migration, direction }) => ({ up: sideOf(migration, direction) })),
    before.map(({ table }) => table),
  );
  return before.flatMap(({ table, rows }) => {
    const now = after.find((each) => each.table === table)?.rows;
    // A table that is gone was dropped by name.
    if (now === undefined || now === rows || table.endsWith(RECORD)) return [];
    return [{ table, before: rows, after: now, named: named.has(table) }];
  });
}

const sideOf = (migration: CheckedMigration, direction: 'up' | 'down') =>
  direction === 'up' ? migration.up : (migration.down ?? migration.up);
