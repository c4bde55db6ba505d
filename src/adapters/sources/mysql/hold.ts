import type { Doing } from '../../../core/backup/store.ts';
import { StewardError } from '../../../core/errors.ts';
import { type MyAccess, type MySession, openSession, qualified } from './access.ts';
import { hasSnapshots, type MyTable } from './tables.ts';

/** One instant of a database for whoever counts, and nobody writes until `release`: so that a dump which begins sees the same. */
export interface Hold extends AsyncDisposable {
  readonly at: Date;
  readonly session: MySession;
  release(): Promise<void>;
}

const NO_RIGHT = /RELOAD|Access denied/i;

/** Holds every table of the server for the moment; whoever may not do that holds those of the database. */
export async function holdStill(
  access: MyAccess,
  {
    database,
    tables,
    now,
    doing,
  }: {
    readonly database: string;
    readonly tables: readonly MyTable[];
    readonly now: () => Date;
    readonly doing: Doing;
  },
): Promise<Hold> {
  await using all = new AsyncDisposableStack();
  const holder = all.use(await openSession(access, database, doing));
  const session = all.use(await openSession(access, database, doing));
  try {
    await holder.rows('flush tables with read lock');
  } catch (thrown) {
    const { code, message } = StewardError.from(thrown);
    if (code !== 'FORBIDDEN' || !NO_RIGHT.test(message)) throw thrown;
    const names = tables.filter(hasSnapshots).map((table) => `${qualified(database, table.name)} read`);
    if (names.length > 0) await holder.rows(`lock tables ${names.join(', ')}`);
  }
  const at = now();
  await session.rows('set session transaction isolation level repeatable read');
  await session.rows('start transaction with consistent snapshot');
  const kept = all.move();
  let held = true;
  return {
    at,
    session,
    async release() {
      if (held) await holder.rows('unlock tables');
      held = false;
    },
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}
