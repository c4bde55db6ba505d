import { createHash } from 'node:crypto';
import type { SourceOf } from '../../core/backup/source.ts';
import type { Doing } from '../../core/backup/store.ts';
import type { Reaching } from '../sources/reaching.ts';
import { accessTo, openSession, qualified } from '../sources/mysql/access.ts';
import { lockedBy, RECORD, type SqlSession } from './session.ts';

/** A session as a migration finds it: with the settings of its server, and none of Steward's. */
export async function openMysql(
  source: SourceOf<'mysql'>,
  database: string,
  reaching: Reaching,
  doing: Doing,
): Promise<SqlSession> {
  const session = await openSession(await accessTo(source, reaching), database, doing);
  // Names of locks are of the whole server, and may have 64 characters.
  const lock = `${RECORD}:${createHash('sha256').update(database).digest('hex').slice(0, 40)}`;
  const rows: SqlSession['rows'] = async (sql, values) => await session.rows(sql, values);
  const holder = async (): Promise<string | undefined> => {
    const [held] = await rows<{ id: number | string | null }>('select is_used_lock(?) as id', [lock]);
    return held?.id === null || held?.id === undefined ? undefined : `connection ${held.id}`;
  };
  const mariadb = async (): Promise<string | undefined> => {
    const [about] = await rows<{ version: string }>('select version() as version');
    return about?.version;
  };
  try {
    await rows('set session sql_mode = @@global.sql_mode, time_zone = @@global.time_zone');
  } catch (thrown) {
    await session[Symbol.asyncDispose]();
    throw thrown;
  }
  return {
    kind: 'mysql',
    database,
    table: qualified(database, RECORD),
    begin: 'start transaction',
    recordColumns: `(version varchar(100) primary key, name varchar(500) not null, checksum char(64) not null, state varchar(10) not null, applied_at varchar(30) not null,
      duration_ms bigint not null, run varchar(100) not null, done int not null, total int not null, error text) engine = InnoDB character set utf8mb4`,
    rows,
    run: async (sql) => void (await session.rows(sql)),
    async engine() {
      const version = (await mariadb()) ?? '';
      return /mariadb/i.test(version) ? `MariaDB ${version.split('-')[0]}` : `MySQL ${version}`;
    },
    async lock(waitMs) {
      const [taken] = await rows<{ got: number | string | null }>('select get_lock(?, ?) as got', [
        lock,
        Math.ceil(waitMs / 1000),
      ]);
      if (Number(taken?.got) !== 1) throw lockedBy(database, await holder());
    },
    holder,
    async limit({ lockTimeoutMs, statementTimeoutMs }) {
      const seconds = Math.max(1, Math.ceil(lockTimeoutMs / 1000));
      await rows('set session lock_wait_timeout = ?, innodb_lock_wait_timeout = ?', [seconds, seconds]);
      if (/mariadb/i.test((await mariadb()) ?? ''))
        await rows('set session max_statement_time = ?', [statementTimeoutMs / 1000]);
    },
    hasRecord: async () =>
      (
        await rows('select 1 from information_schema.TABLES where TABLE_SCHEMA = ? and TABLE_NAME = ?', [
          database,
          RECORD,
        ])
      ).length > 0,
    async foreign(names) {
      const [found] = await rows<{ name: string }>(
        `select TABLE_NAME as name from information_schema.TABLES where TABLE_SCHEMA = ? and TABLE_NAME in (${names.map(() => '?').join(', ')}) limit 1`,
        [database, ...names],
      );
      return found?.name;
    },
    async keepsRows() {
      const found = await rows<{ name: string }>(
        `select t.TABLE_NAME as name from information_schema.TABLES t join information_schema.ENGINES e on e.ENGINE = t.ENGINE
         where t.TABLE_SCHEMA = ? and t.TABLE_TYPE = 'BASE TABLE' and e.TRANSACTIONS <> 'YES' order by 1`,
        [database],
      );
      return found.map(({ name }) => name);
    },
    keptRows: async () =>
      (await rows<{ Code: number | string }>('show warnings')).some(({ Code }) => Number(Code) === 1196),
    // It keeps its keys itself; who switched that off is warned by the plan.
    problems: async () => [],
    async tables() {
      const found = await rows<{ name: string }>(
        "select TABLE_NAME as name from information_schema.TABLES where TABLE_SCHEMA = ? and TABLE_TYPE = 'BASE TABLE' order by 1",
        [database],
      );
      return found.map(({ name }) => ({ name, quoted: qualified(database, name) }));
    },
    async ask(sql) {
      await rows('start transaction read only');
      try {
        const [row] = await rows(sql);
        return row && Object.values(row)[0];
      } finally {
        await rows('rollback');
      }
    },
    isAbsent: (thrown) =>
      [1008, 1051, 1091, 1146, 1054, 1305, 1360].includes((thrown as { cause?: { errno?: number } }).cause?.errno ?? 0),
    [Symbol.asyncDispose]: () => session[Symbol.asyncDispose](),
  };
}
