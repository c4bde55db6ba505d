import type { SourceFacts, SourceReader } from '../../../core/backup/reader.ts';
import type { SourceOf } from '../../../core/backup/source.ts';
import { StewardError } from '../../../core/errors.ts';
import { dotted } from '../names.ts';
import { readAbout } from './about.ts';
import { accessTo } from './access.ts';
import { copyServer } from './copy.ts';
import { countLargeObjects, countTable, inOrder, LARGE_OBJECTS, rowHashOf } from './counting.ts';
import type { SqlDeps } from '../sql-deps.ts';
import { discardKept, undoRestore } from './kept.ts';
import { leftOutOf, lookAtServer, lookAtTables, openServer } from './look.ts';
import { existing, restoreCopy, wantedOf } from './restore.ts';
import { countDatabase } from './rows.ts';
import { makeSandbox, sweepSandboxes } from './sandbox.ts';
import { takeSnapshot } from './snapshot.ts';
import { lookAtStructure } from './structure.ts';
import { leavesColumns, leavesRows } from './tables.ts';
import { findTools, postgresFolders } from './tools.ts';

/** PostgreSQL: one snapshot per database, which pg_dump and whoever counts both see. */
export function createPostgresSource(deps: SqlDeps): SourceReader<'postgres'> {
  const { programs, now } = deps;
  const find = findTools(programs, deps.folders ?? postgresFolders);

  async function examine(
    source: SourceOf<'postgres'>,
    doing: Parameters<SourceReader['examine']>[1],
  ): Promise<SourceFacts> {
    const access = await accessTo(source, deps);
    const server = await lookAtServer(source, access, doing);
    const looked = await lookAtTables(access, server.databases, source, doing);
    const facts: SourceFacts = {
      parts: looked.databases.map((name) => `database ${dotted(name)}`),
      leftOut: [...server.leftOut, ...leftOutOf(source, looked.tables)],
      estimatedBytes: server.bytes,
      tools: { server: `PostgreSQL ${server.version}` },
    };
    const empty =
      looked.databases.length === 0
        ? { message: 'There is no database to copy.', hint: 'See what is left out, and why.' }
        : undefined;
    const problem = empty ?? looked.problem;
    if (problem) return { ...facts, problem };
    try {
      const { version } = await find({ server: server.major, own: false }, doing);
      return { ...facts, tools: { ...facts.tools, pg_dump: version } };
    } catch (thrown) {
      const { code, message, hint = '' } = StewardError.from(thrown);
      if (code !== 'PRECONDITION_FAILED') throw thrown;
      return { ...facts, problem: { message, hint } };
    }
  }

  return {
    kind: 'postgres',
    examine: async (source, doing) => {
      try {
        return await examine(source, doing);
      } catch (thrown) {
        const { code, message, hint = '' } = StewardError.from(thrown);
        if (!CANNOT.has(code)) throw thrown;
        return { parts: [], leftOut: [], estimatedBytes: undefined, tools: {}, problem: { message, hint } };
      }
    },

    async server(source, doing) {
      await using session = await openServer(await accessTo(source, deps), source, doing);
      const [said] = await session.rows<{ id: string }>(
        'select system_identifier::text as id from pg_catalog.pg_control_system()',
      );
      return said?.id;
    },

    async copy(source, writer, doing) {
      const { problem } = await examine(source, doing);
      if (problem) throw new StewardError('PRECONDITION_FAILED', problem.message, { hint: problem.hint });
      const access = await accessTo(source, deps);
      const server = await lookAtServer(source, access, doing);
      const tools = await find({ server: server.major, own: false }, doing);
      return await copyServer({ source, access, server, tools, programs, writer, now }, doing);
    },

    structure: (copy, doing) => lookAtStructure({ programs, find, copy }, doing),

    sandbox: (source, copy, place, doing) =>
      makeSandbox({ deps, find, source, copy, beside: undefined, ...place }, doing),

    async occupied(source, copy, to, doing) {
      const names = wantedOf(await readAbout(copy, doing), to).map((one) => one.to);
      await using session = await openServer(await accessTo(source, deps), source, doing);
      return (await existing(session, names)).map((name) => `database ${dotted(name)}`);
    },

    restore: (source, copy, to, doing) => restoreCopy({ deps, find, source, copy, to }, doing),
    undo: (source, kept, doing) => undoRestore(deps, source, kept, doing),
    discard: (source, kept, doing) => discardKept(deps, source, kept, doing),

    async *contents(source, doing, copy) {
      const access = await accessTo(source, deps);
      const { databases, major } = await lookAtServer(source, access, doing);
      const about = copy && (await readAbout(copy, doing));
      const hash = rowHashOf(major);
      // All of them first: items come in one order, whatever database they are of.
      const items = [];
      for (const database of databases) {
        const recorded = about?.databases.find(({ name }) => name === database);
        if (copy && about && recorded) {
          const tools = await find({ server: major, own: false }, doing);
          const counting = { copy, about: recorded, hash: about.hash, access, into: database, tools, programs };
          items.push(...(await countDatabase(counting, doing)));
          continue;
        }
        await using snapshot = await takeSnapshot(access, database, { doing, now });
        for (const table of snapshot.tables) {
          if (table.kind !== 'r' || leavesRows(source, table)) continue;
          items.push(
            await countTable(
              snapshot.session,
              { table, without: leavesColumns(source, table).map(({ name }) => name) },
              hash,
            ),
          );
        }
        items.push(...(await countLargeObjects(snapshot.session, dotted(database, LARGE_OBJECTS), hash)));
      }
      yield* inOrder(items);
    },

    sweep: (owners, scratch, doing) => sweepSandboxes(deps, owners, scratch, doing),
  };
}

/** That it cannot be copied now is a fact; that nobody could look is not. */
const CANNOT = new Set(['FORBIDDEN', 'UNAVAILABLE', 'NOT_FOUND', 'PRECONDITION_FAILED']);
