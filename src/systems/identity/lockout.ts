import { formatDuration } from '../../core/duration.ts';
import { StewardError } from '../../core/errors.ts';
import { networkOf } from '../../core/network.ts';
import type { Store } from '../../store/store.ts';
import type { IdentityTables } from './tables.ts';

const WINDOW_MS = 15 * 60_000;
const LOCKED_MS = 15 * 60_000;
/** By what is guessed at. An address is shared by people behind one router, so it is given more. */
const LIMITS = { name: 5, person: 5, address: 20 } as const;

export interface Attempt {
  /** Whose password is tried. */
  readonly name?: string | undefined;
  /**
   * Who is signed in already and shows it once more. Counted apart from sign-ins and from the address: a stranger who guesses
   * must not keep a person from approving.
   */
  readonly person?: { readonly id: string; readonly name: string } | undefined;
  readonly from: string;
}

export interface Failures {
  readonly failures: number;
  readonly since: Date;
  readonly locked_until: Date | null;
}

/** The count with one more attempt in it. A lock that is over, and failures of long ago, count for nothing. */
export function countAttempt(known: Failures, limit: number, at: Date): Failures {
  if (known.locked_until && known.locked_until > at) return known;
  const over = known.locked_until !== null || known.since.getTime() < at.getTime() - WINDOW_MS;
  const failures = over ? 1 : known.failures + 1;
  return {
    failures,
    since: over ? at : known.since,
    locked_until: failures > limit ? new Date(at.getTime() + LOCKED_MS) : null,
  };
}

export interface Lockout {
  /** Counts the attempt before it is looked at, so that parallel guesses are all counted. RATE_LIMITED where it is one too many. */
  begin(attempt: Attempt): Promise<void>;
  failed(attempt: Attempt, what: string): Promise<void>;
  /** Forgets the failures of the name; those of the address stay, or one good account would pay for guessing at others. */
  succeeded(attempt: Attempt): Promise<void>;
  /** It was no guess at all: counts as if it had not been. */
  withdrawn(attempt: Attempt): Promise<void>;
  /** Says so as an event, for what is braked without the store. */
  lockedOut(key: string, from: string): Promise<void>;
  prune(): Promise<void>;
}

/** Brakes whoever guesses. It is kept in the store, so that a restart gives nobody new tries. */
export function createLockout({ store, node, now }: { store: Store; node: string; now: () => Date }): Lockout {
  const db = store.db.withTables<IdentityTables>();
  const nameKey = (name: string): string => `name:${name.slice(0, 100).toLowerCase()}`;
  const addressKey = (from: string): string => `address:${networkOf(from)}`;

  async function count(key: string, limit: number, from: string): Promise<void> {
    const at = now();
    const locked = await db.transaction().execute(async (trx) => {
      await trx
        .insertInto('access_failures')
        .values({ key, failures: 0, since: at, locked_until: null })
        .onConflict((conflict) => conflict.doNothing())
        .execute();
      const known = await trx
        .selectFrom('access_failures')
        .select(['failures', 'since', 'locked_until'])
        .where('key', '=', key)
        .forUpdate()
        .executeTakeFirstOrThrow();
      const next = countAttempt(known, limit, at);
      if (next === known) return known.locked_until;
      await trx.updateTable('access_failures').set(next).where('key', '=', key).execute();
      if (next.locked_until) {
        await store.events.append(trx, {
          type: 'security.locked-out',
          node,
          data: { key, from, until: next.locked_until.toISOString() },
        });
      }
      return next.locked_until;
    });
    if (!locked) return;
    throw new StewardError('RATE_LIMITED', 'Too many failed attempts.', {
      hint: `Try again in ${formatDuration(locked.getTime() - at.getTime())}. On the machine itself, steward admin create makes another way in.`,
    });
  }

  const less = async (key: string): Promise<void> => {
    await db
      .updateTable('access_failures')
      .set(({ eb }) => ({ failures: eb('failures', '-', 1) }))
      .where('key', '=', key)
      .where('failures', '>', 0)
      .execute();
  };
  const guessedAt = ({ name, person }: Attempt): string | undefined =>
    person === undefined ? name && nameKey(name) : `person:${person.id}`;

  return {
    async begin({ name, person, from }) {
      if (person !== undefined) return await count(`person:${person.id}`, LIMITS.person, from);
      await count(addressKey(from), LIMITS.address, from);
      if (name !== undefined) await count(nameKey(name), LIMITS.name, from);
    },
    async failed({ name, person, from }, what) {
      const who = person?.name ?? name;
      await db.transaction().execute((trx) =>
        store.events.append(trx, {
          type: 'security.failed-access',
          node,
          data: { what, from, ...(who === undefined ? {} : { name: who.slice(0, 100) }) },
        }),
      );
    },
    async succeeded(attempt) {
      const key = guessedAt(attempt);
      if (key !== undefined) await db.deleteFrom('access_failures').where('key', '=', key).execute();
      if (attempt.person === undefined) await less(addressKey(attempt.from));
    },
    async withdrawn(attempt) {
      const key = guessedAt(attempt);
      if (key !== undefined) await less(key);
      if (attempt.person === undefined) await less(addressKey(attempt.from));
    },
    async lockedOut(key, from) {
      const until = new Date(now().getTime() + 60_000).toISOString();
      await db
        .transaction()
        .execute((trx) => store.events.append(trx, { type: 'security.locked-out', node, data: { key, from, until } }));
    },
    async prune() {
      await db
        .deleteFrom('access_failures')
        .where('since', '<', new Date(now().getTime() - 86_400_000))
        .execute();
    },
  };
}
