import type { DatabaseEngine } from '../../../core/database/engine.ts';
import type { DatabaseLook } from '../../../core/database/look.ts';
import { accessTo, openSession } from '../../sources/mysql/access.ts';
import type { Reaching } from '../../sources/reaching.ts';
import { databasesFor } from '../../sources/mysql/look.ts';
import { activityOf } from './activity.ts';
import { advise } from './advise.ts';
import { indexesOf } from './indexes.ts';
import { performOn } from './perform.ts';
import type { MachineOf } from '../machine.ts';
import { serverOf } from './session.ts';
import { settingsOf } from './settings.ts';
import { slowQueriesOf } from './slow.ts';
import { tablesOf } from './tables.ts';

export interface MysqlEngineOptions extends Reaching {
  readonly now: () => Date;
  /** How long a lock is waited for. */
  readonly lockMs?: (() => number) | undefined;
  readonly machineOf?: MachineOf | undefined;
}

/** MariaDB and MySQL. What is asked is asked of their own accounts of themselves: no row of a user is read. */
export function createMysqlEngine(options: MysqlEngineOptions): DatabaseEngine<'mysql'> {
  const { secrets, dockerHost, now, lockMs = () => 5_000, machineOf } = options;
  const reaching: Reaching = { secrets, dockerHost };
  return {
    kind: 'mysql',

    async look({ source }, { slowMs }, doing): Promise<DatabaseLook> {
      const access = await accessTo(source, reaching);
      await using session = await openSession(access, undefined, doing);
      const server = await serverOf(session, access);
      // The server ends it too: a connection that is merely closed leaves it at work.
      await session.rows(
        server.flavor === 'mariadb' ? 'set session max_statement_time = 30' : 'set session max_execution_time = 30000',
      );
      const listed = await databasesFor(session, source, access);
      const names = listed.filter(({ leftOut }) => leftOut === undefined).map(({ name }) => name);
      const at = now();
      const { blind, ...activity } = await activityOf(server);
      const { tables, blind: ofTables } = await tablesOf(server, names);
      const { blind: ofIndexes, ...indexes } = await indexesOf(server, names, at);
      const { slow, blind: ofSlow } = await slowQueriesOf(server, names, slowMs);
      const settings = machineOf && (await settingsOf(server, source, tables, machineOf));
      return {
        source: source.name,
        kind: 'mysql',
        version: server.version,
        at: at.toISOString(),
        databases: names.map((name) => ({
          name,
          bytes: tables.filter(({ database }) => database === name).reduce((sum, { bytes }) => sum + bytes, 0),
          measured: false,
        })),
        ...activity,
        tables,
        ...indexes,
        slow,
        ...(settings && { settings }),
        blind: [...blind, ...ofTables, ...ofIndexes, ...ofSlow],
      };
    },

    perform: (at, task, doing, bounds) => performOn({ at, reaching, lockMs: lockMs(), bounds }, task, doing),
    advise: (at, slow, doing) => advise({ at, reaching }, slow, doing),
  };
}
