import type { ContentItem } from '../../../core/backup/copy.ts';
import type { SealedCopy } from '../../../core/backup/reader.ts';
import type { Doing } from '../../../core/backup/store.ts';
import { StewardError } from '../../../core/errors.ts';
import type { ProgramsPort } from '../../../core/ports/programs.ts';
import { partOf } from '../contents.ts';
import { AS_LONG_AS_IT_TAKES_MS } from '../flow.ts';
import { dotted } from '../names.ts';
import type { AboutDatabase } from './about.ts';
import { argumentsOf, environmentOf, identifier, type MyAccess, openSession } from './access.ts';
import { programError } from './errors.ts';
import { countTable, nameOf, tablesOf } from './tables.ts';
import type { MyTools } from './tools.ts';

export interface Loading {
  readonly copy: SealedCopy;
  readonly access: MyAccess;
  readonly tools: MyTools;
  readonly programs: ProgramsPort;
}

/** Makes an empty database of that name and restores into it. VERIFICATION_FAILED where the copy does not restore. */
export async function loadDatabase(loading: Loading, about: AboutDatabase, into: string, doing: Doing): Promise<void> {
  {
    await using session = await openSession(loading.access, undefined, doing);
    for (const word of [about.characters, about.collation])
      if (!/^\w+$/.test(word)) throw new StewardError('VERIFICATION_FAILED', `${word} is no character set.`);
    await session.rows(
      `create database ${identifier(into)} character set ${about.characters} collate ${about.collation}`,
    );
  }
  for (const part of [about.dump, ...about.after]) await runScript(loading, part, into, doing);
}

/** Runs a part of the copy as the script that it is, the first error ends it. */
export async function runScript(
  { copy, access, tools, programs }: Loading,
  name: string,
  into: string | undefined,
  doing: Doing,
): Promise<void> {
  const part = partOf(copy, (one) => one.name === name, name);
  const result = await programs.stream(
    {
      program: tools.client,
      args: [...argumentsOf(access), '--binary-mode', '--batch', ...(into === undefined ? [] : [`--database=${into}`])],
      env: environmentOf(access),
      timeoutMs: AS_LONG_AS_IT_TAKES_MS,
      signal: doing.signal,
      input: copy.store.read(copy.location, part, doing),
    },
    async () => undefined,
  );
  if (result.exitCode !== 0)
    throw programError(
      tools.client.split('/').at(-1) ?? tools.client,
      result,
      `the restore of ${name}`,
      'VERIFICATION_FAILED',
    );
}

/** What is in a restored database, counted as it was when its copy was made. */
export async function countDatabase(
  access: MyAccess,
  into: string,
  about: AboutDatabase,
  doing: Doing,
): Promise<ContentItem[]> {
  await using session = await openSession(access, into, doing);
  const items: ContentItem[] = [];
  for (const table of await tablesOf(session, into, about.name)) {
    const name = nameOf(table);
    if (about.withoutRows.includes(name)) continue;
    const without = about.withoutColumns.find((one) => one.table === name)?.columns ?? [];
    items.push(await countTable(session, into, table, without));
    doing.progress?.({ bytes: 0, message: `${dotted(name)} was counted` });
  }
  return items;
}
