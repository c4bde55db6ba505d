import { sql, type Kysely, type Selectable } from 'kysely';
import { type Actor, type Role, ROLE_PERMISSIONS } from '../../core/actor.ts';
import { hashSecret, newToken, randomText, sameSecret } from './secrets.ts';
import type { IdentityTables } from './tables.ts';

export type TokenRow = Selectable<IdentityTables['api_tokens']>;

const SEEN_EVERY_MS = 60_000;
const KEEP_ENDED_MS = 365 * 86_400_000;

export interface NewToken {
  readonly name: string;
  readonly role: Role;
  readonly userId?: string | undefined;
  readonly createdBy: string;
  readonly expiresAt: Date | null;
  readonly now: Date;
}

/** The token's text is in the answer and nowhere else: what is stored cannot be turned back into it. */
export async function insertToken(
  db: Kysely<IdentityTables>,
  { name, role, userId, createdBy, expiresAt, now }: NewToken,
): Promise<{ row: TokenRow; token: string }> {
  const id = randomText(12);
  const token = newToken(id);
  const row: TokenRow = {
    id,
    name,
    role,
    hash: hashSecret(token),
    user_id: userId ?? null,
    created_by: createdBy,
    created_at: now,
    expires_at: expiresAt,
    revoked_at: null,
    last_used_at: null,
    last_used_from: null,
  };
  await db.insertInto('api_tokens').values(row).execute();
  return { row, token };
}

/** Tokens that ended stay visible for a year: somebody may ask what one was. */
export async function pruneTokens(db: Kysely<IdentityTables>, now: Date): Promise<void> {
  const before = new Date(now.getTime() - KEEP_ENDED_MS);
  await db
    .deleteFrom('api_tokens')
    .where((where) => where.or([where('expires_at', '<', before), where('revoked_at', '<', before)]))
    .execute();
}

/** Who the token stands for, as long as it and its user are valid. */
export async function actorOfToken(
  db: Kysely<IdentityTables>,
  id: string,
  token: string,
  { from, now }: { from: string; now: Date },
): Promise<Actor | undefined> {
  const row = await db
    .selectFrom('api_tokens')
    .leftJoin('users', 'users.id', 'api_tokens.user_id')
    .selectAll('api_tokens')
    .select(['users.disabled_at', 'users.role as user_role', 'users.name as user_name'])
    .where('api_tokens.id', '=', id)
    .executeTakeFirst();
  if (!row || !sameSecret(row.hash, hashSecret(token))) return undefined;
  if (row.revoked_at || row.disabled_at || (row.expires_at && row.expires_at <= now)) return undefined;
  // Whoever was given a lesser role must not keep the greater one in a drawer.
  if (
    row.user_role &&
    ROLE_PERMISSIONS[row.role].some((each) => !ROLE_PERMISSIONS[row.user_role as Role].includes(each))
  )
    return undefined;
  if (!row.last_used_at || now.getTime() - row.last_used_at.getTime() > SEEN_EVERY_MS || row.last_used_from !== from) {
    await sql`update api_tokens set last_used_at = ${now}, last_used_from = ${from} where id = ${id}`.execute(db);
  }
  return {
    kind: 'token',
    id: `token:${row.id}`,
    name: row.name,
    role: row.role,
    ...(row.user_name === null ? {} : { onBehalfOf: row.user_name }),
  };
}
