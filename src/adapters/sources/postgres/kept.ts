import type { Restored } from '../../../core/backup/reader.ts';
import type { SourceOf } from '../../../core/backup/source.ts';
import type { Doing } from '../../../core/backup/store.ts';
import { StewardError } from '../../../core/errors.ts';
import { dotted } from '../names.ts';
import { accessTo, identifier, type PgSession } from './access.ts';
import type { SqlDeps } from '../sql-deps.ts';
import { openServer } from './look.ts';
import { type Remark, remarkIn } from './ours.ts';
import { changeNames, existing } from './restore.ts';

type Kept = Extract<Remark, { is: 'kept' }>;

/** What a restore replaced, by what Steward wrote on it. NOT_FOUND where one is gone, or is none of these. */
async function keptAs(session: PgSession, names: readonly string[]): Promise<(Kept & { readonly name: string })[]> {
  const found = await session.rows<{ name: string; comment: string | null }>(
    `select datname as name, pg_catalog.shobj_description(oid, 'pg_database') as comment from pg_catalog.pg_database where datname = any($1)`,
    [names],
  );
  return names.map((name) => {
    const remark = remarkIn(found.find((one) => one.name === name)?.comment ?? null);
    if (remark?.is === 'kept') return { name, ...remark };
    throw new StewardError('NOT_FOUND', `${dotted(name)} is no database that a restore kept.`, {
      hint: 'It was removed, renamed or put back already.',
    });
  });
}

export async function undoRestore(
  deps: SqlDeps,
  source: SourceOf<'postgres'>,
  names: readonly string[],
  doing: Doing,
): Promise<Restored> {
  const startedAt = performance.now();
  const access = await accessTo(source, deps);
  await using session = await openServer(access, source, doing, names);
  const kept = await keptAs(session, names);
  const moves = kept.map(({ name, database }) => ({ from: name, to: database }));
  const replaced = await changeNames({ source, access, moves, copy: kept[0]?.copy ?? '', now: deps.now() }, doing);
  return {
    what: moves.map(({ to }) => `database ${dotted(to)}`),
    kept: replaced,
    durationMs: performance.now() - startedAt,
  };
}

export async function discardKept(
  deps: SqlDeps,
  source: SourceOf<'postgres'>,
  names: readonly string[],
  doing: Doing,
): Promise<readonly string[]> {
  const access = await accessTo(source, deps);
  await using session = await openServer(access, source, doing, names);
  // What an attempt before this one removed already is gone, and that is all that is wanted.
  const kept = await keptAs(session, await existing(session, names));
  for (const { name } of kept) await session.rows(`drop database ${identifier(name)}`);
  return kept.map(({ name }) => `database ${dotted(name)}`);
}
