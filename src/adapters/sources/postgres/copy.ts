import type { ContentItem, Part } from '../../../core/backup/copy.ts';
import type { Copied } from '../../../core/backup/reader.ts';
import type { SourceOf } from '../../../core/backup/source.ts';
import type { CopyWriter, Doing } from '../../../core/backup/store.ts';
import { StewardError } from '../../../core/errors.ts';
import type { ProgramsPort } from '../../../core/ports/programs.ts';
import { writeContents } from '../contents.ts';
import { createTurns, dumpInto, together, type Turns } from '../flow.ts';
import { dotted, fileNameOf } from '../names.ts';
import { ABOUT_PART, type AboutDatabase, aboutText, propertiesOf } from './about.ts';
import { environmentOf, type PgAccess } from './access.ts';
import { countLargeObjects, countTable, inOrder, LARGE_OBJECTS, type RowHash, rowHashOf } from './counting.ts';
import { programError } from './errors.ts';
import { leftOutOf, type PgServer, problemWith, unlessGone } from './look.ts';
import { partlyArguments, partlyCopied } from './partly.ts';
import { dumpEnvironment, hashesInDump, rowsOf } from './rows.ts';
import { type PgSnapshot, takeSnapshot } from './snapshot.ts';
import { leavesRows, nameOf, type PgTable, withoutRowsOf } from './tables.ts';
import { pgDump, type PgTools } from './tools.ts';

export interface Copying {
  readonly source: SourceOf<'postgres'>;
  readonly access: PgAccess;
  readonly server: PgServer;
  readonly tools: PgTools;
  readonly programs: ProgramsPort;
  readonly writer: CopyWriter;
  readonly now: () => Date;
}

/** Instants are taken of this many databases at once; of more, when it is their turn: each holds a connection. */
const TAKEN_AT_ONCE = 10;
const ATTEMPTS = 3;

export async function copyServer(copying: Copying, doing: Doing): Promise<Copied> {
  const { source, access, server, tools, programs, writer, now } = copying;
  const turns = createTurns();
  const parts: Part[] = [];
  const items: ContentItem[] = [];
  const databases: AboutDatabase[] = [];
  const leftOut = [...server.leftOut];
  const hash = rowHashOf(server.major);
  let snapshotAt: Date | undefined;
  await using held = new AsyncDisposableStack();
  const take = async (database: string): Promise<PgSnapshot | undefined> => {
    const taken = await unlessGone(source, () => takeSnapshot(access, database, { doing, now }));
    return taken && held.use(taken);
  };
  const early = new Map<string, PgSnapshot | undefined>();
  for (const database of server.databases.slice(0, TAKEN_AT_ONCE)) early.set(database, await take(database));
  for (const database of server.databases) {
    const copied = await again(async (attempt) => {
      // What the try before it had finished is of another instant.
      if (attempt > 1) for (const name of Object.values(partsOf(database))) await writer.drop(name);
      const snapshot = (attempt === 1 ? early.get(database) : undefined) ?? (await take(database));
      if (!snapshot) return undefined;
      snapshotAt = snapshotAt && snapshotAt < snapshot.at ? snapshotAt : snapshot.at;
      try {
        return await copyDatabase({ ...copying, snapshot, hash, turns }, doing);
      } finally {
        await snapshot[Symbol.asyncDispose]();
      }
    });
    if (!copied) {
      leftOut.push({ what: `database ${dotted(database)}`, why: 'it was removed while the copy was made' });
      continue;
    }
    parts.push(...copied.parts);
    items.push(...copied.items);
    leftOut.push(...copied.leftOut);
    databases.push(copied.about);
  }
  if (databases.length === 0)
    throw new StewardError('NOT_FOUND', 'Every database was removed while the copy was made.', {
      hint: 'See what the server has now; the next backup goes by that.',
    });
  const globals = await dumpInto(
    programs,
    {
      program: tools.program('pg_dumpall'),
      // Tablespaces are folders: where a server of another machine is restored they are somewhere else.
      args: ['--globals-only', '--no-tablespaces', ...(server.superuser ? [] : ['--no-role-passwords'])],
      env: environmentOf(access),
    },
    { writer, turns, part: { name: 'globals.sql', kind: 'globals' }, doing },
  );
  if (!globals.part || globals.result.exitCode !== 0)
    throw programError('pg_dumpall', globals.result, 'roles and grants');
  const about = await writer.part(
    { name: ABOUT_PART, kind: 'globals' },
    aboutText({ version: server.version, hash, databases }),
  );
  const { part, contents } = await writeContents(writer, inOrder(items));
  return {
    snapshotAt: snapshotAt ?? now(),
    parts: [...parts, globals.part, about, part],
    contents,
    leftOut,
    tools: { server: `PostgreSQL ${server.version}`, pg_dump: tools.version },
  };
}

/** A session that wants a table for itself between our hold and that of pg_dump makes both wait for each other. */
async function again<T>(work: (attempt: number) => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await work(attempt);
    } catch (thrown) {
      if (attempt === ATTEMPTS || StewardError.from(thrown).code !== 'LOCKED') throw thrown;
    }
  }
}

function partsOf(database: string): { readonly rows: string; readonly schema: string; readonly partly: string } {
  const file = fileNameOf(database);
  return { rows: `${file}.dump`, schema: `${file}.schema.sql`, partly: `${file}.partly.sql` };
}

async function copyDatabase(
  copying: Copying & { readonly snapshot: PgSnapshot; readonly hash: RowHash; readonly turns: Turns },
  doing: Doing,
): Promise<{
  readonly parts: readonly Part[];
  readonly items: readonly ContentItem[];
  readonly leftOut: Copied['leftOut'];
  readonly about: AboutDatabase;
}> {
  const { source, access, tools, programs, writer, snapshot, hash, turns } = copying;
  const { database, session, tables } = snapshot;
  const problem = problemWith(source, access.user, tables);
  if (problem) throw new StewardError('PRECONDITION_FAILED', problem.message, { hint: problem.hint });
  const names = partsOf(database);
  const partly = partlyCopied(source, tables);
  const without = tables.filter((table) => table.kind === 'r' && leavesRows(source, table));
  const env = dumpEnvironment(access, database);
  const instant = [`--snapshot=${snapshot.id}`, '--lock-wait-timeout=10000'];
  const noRows = withoutRowsOf([...without, ...partly.map(({ table }) => table)]);
  const counted = tables.filter((table) => table.kind === 'r' && !without.includes(table));
  // Where some columns are left out rows are not restored in one go, and their order is not kept.
  const passing = partly.length === 0 && (await hashesInDump(session)) ? rowsOf(counted) : undefined;
  const dump = async (
    program: 'pg_dump' | 'psql',
    args: readonly string[],
    part: Pick<Part, 'name' | 'kind'>,
    now: Doing,
    seen?: (chunk: Uint8Array) => void,
  ): Promise<Part> => {
    const command = program === 'pg_dump' ? await pgDump(tools, args) : { program: tools.program(program), args };
    const dumped = await dumpInto(
      programs,
      { ...command, env },
      { writer, turns, part: { ...part, database }, doing: now, seen },
    );
    if (!dumped.part || dumped.result.exitCode !== 0)
      throw programError(program, dumped.result, `database ${dotted(database)}`);
    return dumped.part;
  };
  const count = async (table: PgTable): Promise<ContentItem> => {
    doing.signal.throwIfAborted();
    const left = partly.find((one) => one.table === table)?.without.map(({ name }) => name) ?? [];
    return await countTable(session, { table, without: left }, hash);
  };
  const [rows, schema, columns, items, properties] = await together(doing, [
    (now) =>
      dump('pg_dump', ['-Fc', '-Z0', ...instant, ...noRows], { name: names.rows, kind: 'dump' }, now, passing?.push),
    (now) => dump('pg_dump', ['--schema-only', ...instant], { name: names.schema, kind: 'schema' }, now),
    async (now) =>
      partly.length === 0
        ? undefined
        : await dump('psql', partlyArguments(snapshot, partly), { name: names.partly, kind: 'dump' }, now),
    async () => {
      const found = await countLargeObjects(session, dotted(database, LARGE_OBJECTS), hash);
      if (!passing) for (const table of counted) found.push(await count(table));
      return found;
    },
    () => propertiesOf(session),
  ]);
  const passed = passing?.items();
  if (passed) for (const table of counted) items.push(passed.get(table) ?? (await count(table)));
  return {
    parts: [rows, schema, ...(columns ? [columns] : [])],
    items,
    leftOut: leftOutOf(source, tables),
    about: {
      ...properties,
      name: database,
      dump: rows.name,
      partly: columns?.name ?? null,
      withoutRows: without.map(nameOf),
      withoutColumns: partly.map((one) => ({ table: nameOf(one.table), columns: one.without.map(({ name }) => name) })),
    },
  };
}
