import type { Assertion } from '../../core/backup/source.ts';
import { ms } from '../../core/duration.ts';
import { StewardError } from '../../core/errors.ts';
import type { AppliedRow } from '../../core/migration/standing.ts';
import type { AssertionHeld, DatabaseLook, StepDone } from '../../core/ports/migrations.ts';
import { makeRecord, recordIn, removeRow, type SqlSession, type Step, writeRow } from './session.ts';
import { takeStep } from './step.ts';

/** What a session is asked to do; plain data, so that another process can be asked. */
export type Job =
  | { readonly do: 'look'; readonly assertions: readonly Assertion[] }
  | { readonly do: 'step'; readonly step: Step }
  | {
      readonly do: 'record';
      readonly put: readonly AppliedRow[];
      readonly remove: readonly string[];
      readonly waitMs: number;
    }
  | { readonly do: 'count' };

export interface Counted {
  readonly table: string;
  readonly rows: number;
}

interface Answers {
  readonly look: DatabaseLook;
  readonly step: StepDone;
  readonly record: null;
  readonly count: readonly Counted[];
}
export type AnswerTo<J extends Job> = Answers[J['do']];

export async function perform<J extends Job>(session: SqlSession, job: J): Promise<AnswerTo<J>> {
  return (await answer(session, job)) as AnswerTo<J>;
}

async function answer(session: SqlSession, job: Job): Promise<Answers[keyof Answers]> {
  switch (job.do) {
    case 'look':
      return await lookAt(session, job.assertions);
    case 'step':
      return await takeStep(session, job.step);
    case 'record':
      await session.lock(job.waitMs);
      await makeRecord(session);
      await session.rows(session.begin);
      for (const version of job.remove) await removeRow(session, version);
      for (const row of job.put) await writeRow(session, row);
      await session.rows('commit');
      return null;
    case 'count':
      return await countIn(session);
  }
}

/** What other tools keep their record in. */
const OTHERS: Readonly<Record<string, string>> = {
  schema_migrations: 'dbmate, golang-migrate or Rails',
  flyway_schema_history: 'Flyway',
  goose_db_version: 'goose',
  knex_migrations: 'knex',
  _prisma_migrations: 'Prisma',
  django_migrations: 'Django',
  databasechangelog: 'Liquibase',
  DATABASECHANGELOG: 'Liquibase',
  alembic_version: 'Alembic',
  atlas_schema_revisions: 'Atlas',
};

async function lookAt(session: SqlSession, asked: readonly Assertion[]): Promise<DatabaseLook> {
  const [rows, lockedBy, engine, problems] = [
    await recordIn(session),
    await session.holder(),
    await session.engine(),
    await session.problems(),
  ];
  const other = rows.length > 0 ? undefined : await session.foreign(Object.keys(OTHERS));
  const assertions: AssertionHeld[] = [];
  for (const { name, sql, timeout } of asked) {
    try {
      await session.limit({ lockTimeoutMs: ms(timeout), statementTimeoutMs: ms(timeout) });
      const said = await session.ask(sql);
      assertions.push({ name, holds: isTrue(said), said: said === undefined ? 'no row' : String(said).slice(0, 80) });
    } catch (thrown) {
      assertions.push({
        name,
        holds: false,
        said: `could not be asked: ${StewardError.from(thrown).message.slice(0, 300)}`,
      });
    }
  }
  return {
    kind: session.kind,
    database: session.database,
    engine,
    rows,
    problems,
    keepsRows: (await session.keepsRows?.()) ?? [],
    assertions,
    ...(lockedBy !== undefined && { lockedBy }),
    ...(other !== undefined && { foreign: `${other} of ${OTHERS[other]}` }),
  };
}

/** As the drills of backups take an answer. */
function isTrue(said: unknown): boolean {
  return (
    /^(t|true|y|yes|on)$/i.test(String(said)) ||
    (Number.isFinite(Number(said)) && Number(said) !== 0 && said !== '' && said !== null)
  );
}

async function countIn(session: SqlSession): Promise<Counted[]> {
  const counted: Counted[] = [];
  for (const { name, quoted } of await session.tables()) {
    const [row] = await session.rows<{ n: number | string }>(`select count(*) as n from ${quoted}`);
    counted.push({ table: name, rows: Number(row?.n ?? 0) });
  }
  return counted;
}
