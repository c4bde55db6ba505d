import { z } from 'zod';
import type { Doing } from '../../../core/backup/store.ts';
import { StewardError } from '../../../core/errors.ts';
import { dotted } from '../names.ts';
import { taken } from '../taken.ts';
import { identifier, type MySession, qualified } from './access.ts';
import { type Code, codeOf, dropCode, makeCode } from './code.ts';
import { KEPT_TABLE } from './tables.ts';

const Kept = z.object({
  database: z.string(),
  copy: z.string(),
  at: z.string(),
  owner: z.string().optional(),
  /** They do not run in what is only kept. */
  events: z.array(z.object({ kind: z.literal('event'), name: z.string(), create: z.string(), mode: z.string() })),
});
export type Kept = z.output<typeof Kept>;

/** A new database that is not whole yet, by whom it is made. */
const Half = z.object({ restoring: z.string(), owner: z.string() });
export type Half = z.output<typeof Half>;

export async function exists(session: MySession, database: string): Promise<boolean> {
  return (await session.rows('select 1 from information_schema.SCHEMATA where SCHEMA_NAME = ?', [database])).length > 0;
}

/** What a restore replaced, by what Steward wrote into it; undefined where it is something else. */
export const keptIn = async (session: MySession, database: string): Promise<Kept | undefined> =>
  Kept.safeParse(await wordIn(session, database)).data;

async function wordIn(session: MySession, database: string): Promise<unknown> {
  const [there] = await session.rows(
    'select 1 from information_schema.TABLES where TABLE_SCHEMA = ? and TABLE_NAME = ?',
    [database, KEPT_TABLE],
  );
  if (!there) return undefined;
  const [row] = await session.rows<{ what: string }>(`select what from ${qualified(database, KEPT_TABLE)}`);
  return JSON.parse(row?.what ?? '{}');
}

async function say(session: MySession, database: string, word: unknown): Promise<void> {
  await session.rows(`create table ${qualified(database, KEPT_TABLE)} (what longtext not null) character set utf8mb4`);
  await session.rows(`insert into ${qualified(database, KEPT_TABLE)} values (?)`, [JSON.stringify(word)]);
}

/** Removes a new database that this run left half, and no other. */
export async function dropHalf(session: MySession, database: string, by: Half): Promise<void> {
  const half = Half.safeParse(await wordIn(session, database)).data;
  if (half?.restoring === by.restoring && half.owner === by.owner)
    await session.rows(`drop database ${identifier(database)}`);
}

/** From here on it is whole, and data as any other. */
export async function sayWhole(session: MySession, database: string): Promise<void> {
  await session.rows(`drop table ${qualified(database, KEPT_TABLE)}`);
}

/** What restores for this owner replaced, whichever attempt it was. */
export async function keptFor(session: MySession, owner: string): Promise<string[]> {
  const found = await session.rows<{ name: string }>(
    'select TABLE_SCHEMA as name from information_schema.TABLES where TABLE_NAME = ? order by 1',
    [KEPT_TABLE],
  );
  const kept: string[] = [];
  for (const { name } of found) if ((await keptIn(session, name))?.owner === owner) kept.push(name);
  return kept;
}

/**
 * Puts the tables of `from` where those of `to` are, and those into `keep`, by one RENAME TABLE: whoever looks sees the old ones
 * or the new. Views, triggers, routines and events cannot be renamed: they are made again, and for that moment they are missing.
 */
export async function exchange(
  session: MySession,
  {
    from,
    to,
    keep,
    lease,
    half,
    ...more
  }: Pick<Kept, 'copy' | 'at' | 'owner'> &
    Pick<Doing, 'lease'> & {
      readonly from: string;
      readonly to: string;
      readonly keep: string;
      /** Where `to` is to be new: what was made there meanwhile stays, and what is made says this until it is said to be whole. */
      readonly half?: Half | undefined;
    },
): Promise<string | undefined> {
  const replaces = half === undefined && (await exists(session, to));
  const wasKept = await keptIn(session, from);
  const [incoming, outgoing] = [await codeOf(session, from), replaces ? await codeOf(session, to) : []];
  const events = outgoing.filter(({ kind }) => kind === 'event');
  // Each by itself: the one before it may have waited long for its tables.
  await lease?.();
  if (half && (await exists(session, to))) throw taken(to);
  await makeLike(session, replaces ? to : from, replaces ? keep : to);
  if (half) await say(session, to, half);
  if (replaces) await say(session, keep, { database: to, ...more, events });
  const triggers = (code: readonly Code[]): Code[] => code.filter(({ kind }) => kind === 'trigger');
  try {
    await dropCode(session, to, triggers(outgoing));
    await dropCode(session, from, triggers(incoming));
    const moves = [...(replaces ? await movesOf(session, to, keep) : []), ...(await movesOf(session, from, to))];
    if (moves.length > 0) await session.rows(`rename table ${moves.join(', ')}`);
  } catch (thrown) {
    await makeCode(session, to, triggers(outgoing));
    await session.rows(`drop database ${identifier(replaces ? keep : to)}`);
    throw thrown;
  }
  try {
    await dropCode(
      session,
      to,
      outgoing.filter(({ kind }) => kind !== 'trigger'),
    );
    if (replaces)
      await makeCode(
        session,
        keep,
        outgoing.filter(({ kind }) => kind !== 'event'),
      );
    await makeCode(session, to, [...incoming, ...(wasKept?.events ?? [])]);
    await session.rows(`drop database ${identifier(from)}`);
  } catch (thrown) {
    // Whoever asked for a new one removes it.
    if (half) throw thrown;
    throw new StewardError(
      'ROLLBACK_FAILED',
      `The tables of ${dotted(to)} are the restored ones, but not all of its views, triggers and routines could be made: ${(thrown as Error).message}`,
      {
        hint: `${replaces ? `What was there before is ${dotted(keep)}. ` : ''}Make them by hand from the schema part of the copy.`,
        cause: thrown,
      },
    );
  }
  return replaces ? keep : undefined;
}

async function makeLike(session: MySession, like: string, database: string): Promise<void> {
  const [found] = await session.rows<{ characters: string; collation: string }>(
    'select DEFAULT_CHARACTER_SET_NAME as characters, DEFAULT_COLLATION_NAME as collation from information_schema.SCHEMATA where SCHEMA_NAME = ?',
    [like],
  );
  await session.rows(
    `create database ${identifier(database)} character set ${found?.characters} collate ${found?.collation}`,
  );
}

async function movesOf(session: MySession, from: string, to: string): Promise<string[]> {
  const tables = await session.rows<{ name: string }>(
    "select TABLE_NAME as name from information_schema.TABLES where TABLE_SCHEMA = ? and TABLE_TYPE <> 'VIEW' and TABLE_NAME <> ?",
    [from, KEPT_TABLE],
  );
  return tables.map(({ name }) => `${qualified(from, name)} to ${qualified(to, name)}`);
}
