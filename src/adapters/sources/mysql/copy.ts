import { setTimeout as sleep } from 'node:timers/promises';
import type { ContentItem, Part } from '../../../core/backup/copy.ts';
import type { Copied } from '../../../core/backup/reader.ts';
import type { SourceOf } from '../../../core/backup/source.ts';
import type { CopyWriter, Doing } from '../../../core/backup/store.ts';
import { StewardError } from '../../../core/errors.ts';
import type { ProgramsPort } from '../../../core/ports/programs.ts';
import { writeContents } from '../contents.ts';
import { byName } from '../order.ts';
import { createTurns, dumpInto, together } from '../flow.ts';
import { dotted, fileNameOf } from '../names.ts';
import { ABOUT_PART, type AboutDatabase, aboutText } from './about.ts';
import { argumentsOf, environmentOf, type MyAccess, openSession } from './access.ts';
import { programError } from './errors.ts';
import { globalsText } from './globals.ts';
import { type Hold, holdStill } from './hold.ts';
import type { MyServer } from './look.ts';
import { type PartlyCopied, partlyText } from './partly.ts';
import { createStatementCounter, type StatementCounter } from './statements.ts';
import { countTable, leavesColumns, leavesRows, nameOf, tablesOf } from './tables.ts';
import type { MyTools } from './tools.ts';

export interface Copying {
  readonly source: SourceOf<'mysql'>;
  readonly access: MyAccess;
  readonly server: MyServer;
  readonly tools: MyTools;
  readonly programs: ProgramsPort;
  readonly writer: CopyWriter;
  readonly now: () => Date;
}

/** How long everybody may have to wait for a dump to begin. */
const BEGINS_WITHIN_MS = 30_000;
const DUMP = ['--single-transaction', '--quick', '--hex-blob', '--skip-add-locks', '--tz-utc', '--comments'];

export async function copyServer(copying: Copying, doing: Doing): Promise<Copied> {
  const { access, server, tools, writer, now } = copying;
  const parts: Part[] = [];
  const items: ContentItem[] = [];
  const databases: AboutDatabase[] = [];
  const leftOut = [...server.leftOut];
  let snapshotAt: Date | undefined;
  for (const database of server.databases) {
    const copied = await copyDatabase(copying, database, doing);
    snapshotAt ??= copied.at;
    parts.push(...copied.parts);
    items.push(...copied.items);
    databases.push(copied.about);
  }
  {
    await using session = await openSession(access, undefined, doing);
    const globals = await globalsText(session);
    if (globals === undefined)
      leftOut.push({ what: 'users and what they may do', why: `${access.user} may not read them` });
    else parts.push(await writer.part({ name: 'globals.sql', kind: 'globals' }, text(globals)));
  }
  const { version, flavor, lowerCase } = server;
  parts.push(
    await writer.part({ name: ABOUT_PART, kind: 'globals' }, aboutText({ version, flavor, lowerCase, databases })),
  );
  const { part, contents } = await writeContents(
    writer,
    items.toSorted((a, b) => byName(a.name, b.name)),
  );
  return {
    snapshotAt: snapshotAt ?? now(),
    parts: [...parts, part],
    contents,
    leftOut,
    tools: { server: version, dump: tools.version },
  };
}

async function* text(content: string): AsyncIterable<Uint8Array> {
  yield Buffer.from(content);
}

interface CopiedDatabase {
  readonly at: Date;
  readonly parts: readonly Part[];
  readonly items: readonly ContentItem[];
  readonly about: AboutDatabase;
}

async function copyDatabase(copying: Copying, database: string, doing: Doing): Promise<CopiedDatabase> {
  const { source, access, writer, now } = copying;
  const { tables, properties } = await lookAtDatabase(access, database, doing);
  const file = fileNameOf(database);
  const without = tables.filter((table) => leavesRows(source, table));
  const partly: PartlyCopied[] = tables
    .filter((table) => !without.includes(table))
    .map((table) => ({ table, without: leavesColumns(source, table) }))
    .filter((one) => one.without.length > 0);
  const noRows = [...without, ...partly.map(({ table }) => table)].map(
    ({ name }) => `--ignore-table-data=${database}.${name}`,
  );
  const parts: Part[] = [];
  const statements = createStatementCounter();
  await using hold = await holdStill(access, { database, tables, now, doing });
  const [rows, items] = await together(doing, [
    async (now_) => {
      const triggers = partly.length > 0 ? '--skip-triggers' : '--triggers';
      return await dump(
        copying,
        [...DUMP, '--routines', triggers, ...noRows, '--', database],
        { name: `${file}.sql`, kind: 'dump', database },
        statements,
        now_,
      );
    },
    async ({ signal }) => {
      await begun(statements, hold, signal);
      const counted: ContentItem[] = [];
      for (const table of tables) {
        if (without.includes(table)) continue;
        signal.throwIfAborted();
        const left = partly.find((one) => one.table === table)?.without.map(({ name }) => name) ?? [];
        counted.push(await countTable(hold.session, database, table, left));
      }
      return counted;
    },
  ]);
  if (!statements.complete)
    throw new StewardError('VERIFICATION_FAILED', `The dump of ${dotted(database)} does not end as a dump ends.`);
  parts.push(rows);
  const after: string[] = [];
  if (partly.length > 0) {
    const name = `${file}.partly.sql`;
    parts.push(await writer.part({ name, kind: 'dump', database }, partlyText(hold.session, database, partly)));
    after.push(name);
  }
  const more = async (name: string, kind: Part['kind'], args: readonly string[]): Promise<string> => {
    parts.push(
      await dump(
        copying,
        [...DUMP, ...args, '--', database],
        { name, kind, database },
        createStatementCounter(),
        doing,
      ),
    );
    return name;
  };
  if (partly.length > 0)
    after.push(await more(`${file}.triggers.sql`, 'dump', ['--no-data', '--no-create-info', '--triggers']));
  const events =
    properties.events > 0
      ? await more(`${file}.events.sql`, 'dump', ['--no-data', '--no-create-info', '--skip-triggers', '--events'])
      : null;
  await more(`${file}.schema.sql`, 'schema', ['--no-data', '--routines', '--triggers', '--events']);
  return {
    at: hold.at,
    parts,
    items,
    about: {
      name: database,
      characters: properties.characters,
      collation: properties.collation,
      bytes: properties.bytes,
      dump: rows.name,
      tables: statements.tables,
      inserts: statements.inserts,
      after,
      events,
      withoutRows: without.map(nameOf),
      withoutColumns: partly.map((one) => ({ table: nameOf(one.table), columns: one.without.map(({ name }) => name) })),
    },
  };
}

async function lookAtDatabase(access: MyAccess, database: string, doing: Doing) {
  await using session = await openSession(access, database, doing);
  const [found] = await session.rows<{ characters: string; collation: string; events: string; bytes: string }>(
    `select DEFAULT_CHARACTER_SET_NAME as characters, DEFAULT_COLLATION_NAME as collation,
        (select count(*) from information_schema.EVENTS where EVENT_SCHEMA = SCHEMA_NAME) as events,
        (select coalesce(sum(DATA_LENGTH + INDEX_LENGTH), 0) from information_schema.TABLES where TABLE_SCHEMA = SCHEMA_NAME) as bytes
      from information_schema.SCHEMATA where SCHEMA_NAME = ?`,
    [database],
  );
  if (!found) throw new StewardError('NOT_FOUND', `The database ${dotted(database)} was removed meanwhile.`);
  return {
    tables: await tablesOf(session, database),
    properties: { ...found, events: Number(found.events), bytes: Number(found.bytes) },
  };
}

/** Lets everybody write again as soon as the dump has its transaction, which its first words on a table show. */
async function begun(statements: StatementCounter, hold: Hold, signal: AbortSignal): Promise<void> {
  for (const until = performance.now() + BEGINS_WITHIN_MS; !statements.begun; await sleep(10, undefined, { signal })) {
    if (performance.now() > until)
      throw new StewardError(
        'TIMEOUT',
        `The dump did not begin within ${BEGINS_WITHIN_MS / 1000} s, and nobody could write meanwhile.`,
      );
  }
  await hold.release();
}

async function dump(
  { access, tools, programs, writer }: Copying,
  args: readonly string[],
  part: Pick<Part, 'name' | 'kind' | 'database'>,
  statements: StatementCounter,
  doing: Doing,
): Promise<Part> {
  // Line by line, so that its first words come when it says them.
  const line = ['-oL', tools.dump, ...argumentsOf(access), ...args];
  const dumped = await dumpInto(
    programs,
    { program: 'stdbuf', args: line, env: environmentOf(access) },
    { writer, turns: createTurns(), part, doing, seen: statements.add },
  );
  if (!dumped.part || dumped.result.exitCode !== 0)
    throw programError(
      tools.dump.split('/').at(-1) ?? tools.dump,
      dumped.result,
      `database ${dotted(part.database ?? '')}`,
    );
  return dumped.part;
}
