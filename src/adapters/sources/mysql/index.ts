import type { SourceFacts, SourceReader } from '../../../core/backup/reader.ts';
import type { SourceOf } from '../../../core/backup/source.ts';
import type { Doing } from '../../../core/backup/store.ts';
import { StewardError } from '../../../core/errors.ts';
import { byName } from '../order.ts';
import { dotted } from '../names.ts';
import type { SqlDeps } from '../sql-deps.ts';
import { readAbout } from './about.ts';
import { accessTo, openSession } from './access.ts';
import { copyServer } from './copy.ts';
import { exists } from './exchange.ts';
import { lookAtServer } from './look.ts';
import { discardKept, restoreCopy, undoRestore, wantedOf } from './restore.ts';
import { makeSandbox, sweepSandboxes } from './sandbox.ts';
import { lookAtStructure } from './structure.ts';
import { countTable, leavesColumns, leavesRows } from './tables.ts';
import { findTools } from './tools.ts';

/** MariaDB and MySQL: one transaction per database, in which dump and count see the same instant. */
export function createMysqlSource(deps: SqlDeps): SourceReader<'mysql'> {
  const { programs, now, folders } = deps;

  async function look(source: SourceOf<'mysql'>, doing: Doing) {
    const access = await accessTo(source, deps);
    const server = await lookAtServer(source, access, doing);
    const tools = await findTools(programs, server.flavor, { folders, signal: doing.signal });
    return { access, server, tools };
  }

  return {
    kind: 'mysql',
    async examine(source, doing): Promise<SourceFacts> {
      try {
        const { server, tools } = await look(source, doing);
        const empty = { message: 'There is no database to copy.', hint: 'See what is left out, and why.' };
        return {
          parts: server.databases.map((name) => `database ${dotted(name)}`),
          leftOut: server.leftOut,
          estimatedBytes: server.bytes,
          tools: { server: server.version, dump: tools.version },
          problem: server.databases.length === 0 ? empty : server.problem,
        };
      } catch (thrown) {
        const { code, message, hint = '' } = StewardError.from(thrown);
        if (!CANNOT.has(code)) throw thrown;
        return { parts: [], leftOut: [], estimatedBytes: undefined, tools: {}, problem: { message, hint } };
      }
    },

    async server(source, doing) {
      await using session = await openSession(await accessTo(source, deps), undefined, doing);
      const said = new Map(
        (await session.rows<{ Variable_name: string; Value: string }>(WHO)).map((row) => [
          row.Variable_name,
          row.Value,
        ]),
      );
      // MariaDB has no id that it makes for itself: of two on one machine the port or the folder differs.
      return said.get('server_uuid') ?? ([...said.values()].join(' ') || undefined);
    },

    async copy(source, writer, doing) {
      const { access, server, tools } = await look(source, doing);
      if (server.problem)
        throw new StewardError('PRECONDITION_FAILED', server.problem.message, { hint: server.problem.hint });
      return await copyServer({ source, access, server, tools, programs, writer, now }, doing);
    },

    structure: (copy, doing) => lookAtStructure(copy, doing),
    sandbox: (source, copy, { scratch, owner, beside }, doing) =>
      makeSandbox({ deps, source, copy, scratch, owner, beside }, doing),

    async occupied(source, copy, to, doing) {
      const names = wantedOf(await readAbout(copy, doing), to).map((one) => one.to);
      await using session = await openSession(await accessTo(source, deps), undefined, doing);
      const there: string[] = [];
      for (const name of names) if (await exists(session, name)) there.push(`database ${dotted(name)}`);
      return there;
    },

    restore: (source, copy, to, doing) => restoreCopy({ deps, source, copy, to }, doing),
    undo: (source, kept, doing) => undoRestore(deps, source, kept, doing),
    discard: (source, kept, doing) => discardKept(deps, source, kept, doing),

    async *contents(source, doing) {
      const access = await accessTo(source, deps);
      const { tables } = await lookAtServer(source, access, doing);
      await using session = await openSession(access, undefined, doing);
      await session.rows('set session transaction isolation level repeatable read');
      await session.rows('start transaction with consistent snapshot');
      const items = [];
      for (const table of tables) {
        if (leavesRows(source, table)) continue;
        items.push(
          await countTable(
            session,
            table.database,
            table,
            leavesColumns(source, table).map(({ name }) => name),
          ),
        );
      }
      yield* items.toSorted((a, b) => byName(a.name, b.name));
    },

    sweep: (owners, scratch, doing) => sweepSandboxes(deps, owners, scratch, doing),
  };
}

const WHO = `show global variables where Variable_name in ('server_uuid', 'server_uid', 'hostname', 'port', 'datadir')`;

/** That it cannot be copied now is a fact; that nobody could look is not. */
const CANNOT = new Set(['FORBIDDEN', 'UNAVAILABLE', 'NOT_FOUND', 'PRECONDITION_FAILED']);
