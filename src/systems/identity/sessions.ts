import { type Kysely, sql } from 'kysely';
import type { Actor } from '../../core/actor.ts';
import type { SignedIn } from '../../core/identity.ts';
import type { UserRow } from './accounts.ts';
import { hashSecret, randomText } from './secrets.ts';
import type { IdentityTables } from './tables.ts';

const LONGEST_MS = 7 * 86_400_000;
const IDLE_MS = 24 * 3_600_000;
const SEEN_EVERY_MS = 60_000;

export async function openSession(
  db: Kysely<IdentityTables>,
  user: UserRow,
  {
    from,
    userAgent,
    now,
    sealedIdToken,
  }: { from: string; userAgent?: string | undefined; now: Date; sealedIdToken?: string | undefined },
): Promise<SignedIn> {
  const session = randomText(40);
  const id = `ses_${randomText(20)}`;
  const expiresAt = new Date(now.getTime() + LONGEST_MS);
  await db
    .insertInto('user_sessions')
    .values({
      id,
      hash: hashSecret(session),
      user_id: user.id,
      created_at: now,
      seen_at: now,
      expires_at: expiresAt,
      address: from,
      user_agent: userAgent?.slice(0, 200) ?? null,
      sealed_id_token: sealedIdToken ?? null,
    })
    .execute();
  await db.updateTable('users').set({ last_login_at: now }).where('id', '=', user.id).execute();
  return { actor: actorOf(user, id), session, expiresAt };
}

export async function actorOfSession(
  db: Kysely<IdentityTables>,
  session: string,
  now: Date,
): Promise<Actor | undefined> {
  const row = await db
    .selectFrom('user_sessions')
    .innerJoin('users', 'users.id', 'user_sessions.user_id')
    .select(['user_sessions.id as session', 'user_sessions.seen_at', 'users.id', 'users.name', 'users.role'])
    .where('user_sessions.hash', '=', hashSecret(session))
    .where('user_sessions.expires_at', '>', now)
    .where('user_sessions.seen_at', '>', new Date(now.getTime() - IDLE_MS))
    .where('users.disabled_at', 'is', null)
    .executeTakeFirst();
  if (!row) return undefined;
  if (now.getTime() - row.seen_at.getTime() > SEEN_EVERY_MS)
    await sql`update user_sessions set seen_at = ${now} where id = ${row.session}`.execute(db);
  return actorOf(row, row.session);
}

/** What the identity provider said of it, sealed, where one did. */
export async function closeSession(db: Kysely<IdentityTables>, session: string): Promise<string | undefined> {
  const ended = await db
    .deleteFrom('user_sessions')
    .where('hash', '=', hashSecret(session))
    .returning('sealed_id_token')
    .executeTakeFirst();
  return ended?.sealed_id_token ?? undefined;
}

export async function pruneSessions(db: Kysely<IdentityTables>, now: Date): Promise<void> {
  await db
    .deleteFrom('user_sessions')
    .where((where) =>
      where.or([where('expires_at', '<', now), where('seen_at', '<', new Date(now.getTime() - IDLE_MS))]),
    )
    .execute();
}

function actorOf({ id, name, role }: Pick<UserRow, 'id' | 'name' | 'role'>, session: string): Actor {
  return { kind: 'user', id, name, role, session };
}
