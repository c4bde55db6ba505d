import { type ExpiringTable, goingWith, passedOnTheWall, unitOf } from '../../core/database/expiry.ts';
import { StewardError } from '../../core/errors.ts';
import type { ExpiryCleared, ExpiryLook } from '../../core/ports/expiry.ts';
import { type Expired, type ExpirySession, type Key, type Shape, written } from './session.ts';

/** So many keys are held in memory, so that a table without an index on its column is read once for all of them. */
const KEYS = 20_000;
/** Rows in one transaction. */
const BATCH = 500;
/** So many batches in a row that somebody holds, and it is left for another time. */
const HELD_BATCHES = 3;

/** What a session is asked to do; plain data, so that another process can be asked. */
export type Job =
  | { readonly do: 'look'; readonly table: ExpiringTable; readonly before?: string | undefined }
  | {
      readonly do: 'clear';
      readonly table: ExpiringTable;
      readonly before: string;
      readonly withinMs: number;
    };
export type AnswerTo<J extends Job> = J extends { do: 'look' } ? ExpiryLook : ExpiryCleared;

export async function lookAt(session: ExpirySession, { table, before }: Extract<Job, { do: 'look' }>) {
  const shape = await session.shape(table.table, table.expires);
  const effects = refuseUnsafe(shape, table);
  const until = before === undefined ? (await session.clock()) - table.afterMs : Date.parse(before);
  const which = await expired(session, shape, { table, until });
  const { expired: many, others, oldest } = await session.count(which);
  return {
    database: shape.database,
    table: shape.name,
    before: new Date(until).toISOString(),
    expired: many,
    oldest: oldest === null ? null : inWords(oldest, shape, table),
    others,
    goingWith: effects,
  } satisfies ExpiryLook;
}

export async function clear(
  session: ExpirySession,
  { table, before, withinMs }: Extract<Job, { do: 'clear' }>,
  tell: (removed: number) => void,
): Promise<ExpiryCleared> {
  const began = performance.now();
  const shape = await session.shape(table.table, table.expires);
  refuseUnsafe(shape, table);
  const which = await expired(session, shape, { table, until: Date.parse(before) });
  let removed = 0;
  let latest: number | null = null;
  const done = (left: number | null, stopped: string | null): ExpiryCleared => ({
    removed,
    latest: latest === null ? null : inWords(latest, shape, table),
    limit: inWords(which.limit, shape, table),
    left,
    stopped,
  });
  try {
    for (let keys = await session.keys(which, KEYS); keys.length > 0; keys = await session.keys(which, KEYS)) {
      const inPass = removed;
      let held = 0;
      for (const batch of batches(keys)) {
        if (performance.now() - began > withinMs)
          return done((await session.count(which)).expired, `it took longer than ${Math.round(withinMs / 1_000)} s`);
        try {
          const gone = await session.remove(which, batch);
          held = 0;
          removed += gone.removed;
          if (gone.latest !== null) latest = Math.max(latest ?? gone.latest, gone.latest);
          tell(removed);
        } catch (thrown) {
          if (StewardError.from(thrown).code !== 'LOCKED' || (held += 1) >= HELD_BATCHES) throw thrown;
        }
      }
      // What nobody could remove now would be found again and again.
      if (removed === inPass) break;
    }
  } catch (thrown) {
    const error = StewardError.from(thrown);
    // What went is told: the rest is found again.
    if (removed === 0 || error.code === 'CANCELED') throw thrown;
    return done(null, error.message);
  }
  const { expired: left } = await session.count(which);
  return done(left, left === 0 ? null : 'others hold rows of it, or a trigger keeps them');
}

/** What of other tables goes too; throws where the table, its column or that speaks against it. */
function refuseUnsafe(shape: Shape, { cascade }: ExpiringTable): string[] {
  const where = `${shape.name} in ${shape.database}`;
  if (shape.kind === undefined)
    throw new StewardError(
      'PRECONDITION_FAILED',
      `${shape.column} of ${where} is ${shape.type}, which is no instant: nothing was removed.`,
      { hint: 'expires in databases.sessions names a column with a timestamp, or with Unix time as an integer.' },
    );
  if (shape.key.length === 0)
    throw new StewardError('PRECONDITION_FAILED', `${where} has no primary key: nothing was removed.`, {
      hint: 'Give it one: without it no row is told from another.',
    });
  const effects = goingWith(shape.name, shape.references);
  if (effects.length > 0 && !cascade)
    throw new StewardError(
      'PRECONDITION_FAILED',
      `Rows of other tables hang on those of ${where}: ${effects.join('; ')}. Nothing was removed.`,
      { hint: 'If that is wanted, say cascade: true for this table in databases.sessions.' },
    );
  return effects;
}

async function expired(
  session: ExpirySession,
  shape: Shape,
  { table, until }: { readonly table: ExpiringTable; readonly until: number },
): Promise<Expired> {
  if (shape.kind === 'wall') {
    if (table.zone === undefined)
      throw new StewardError(
        'PRECONDITION_FAILED',
        `${shape.column} of ${shape.name} in ${shape.database} is ${shape.type}, which says no time zone, and nothing is guessed.`,
        {
          hint: 'Say in which it is written: zone: UTC, or such as Europe/Berlin, for this table in databases.sessions.',
        },
      );
    return { shape, limit: passedOnTheWall(until, table.zone), unit: undefined };
  }
  if (shape.kind === 'instant') return { shape, limit: until, unit: undefined };
  const range = await session.range(shape);
  return {
    shape,
    limit: until,
    unit: range
      ? unitOf(`${shape.column} of ${shape.name}`, { ...range, given: table.unit })
      : (table.unit ?? 'seconds'),
  };
}

function inWords(milliseconds: number, { kind }: Shape, { zone }: ExpiringTable): string {
  return kind === 'wall' ? `${written(milliseconds)} ${zone}` : new Date(milliseconds).toISOString();
}

function* batches(keys: readonly Key[]): Iterable<readonly Key[]> {
  for (let at = 0; at < keys.length; at += BATCH) yield keys.slice(at, at + BATCH);
}
