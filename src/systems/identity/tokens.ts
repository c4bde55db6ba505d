import { sql, type Kysely, type Selectable } from 'kysely';
import { type Actor, type Role, ROLE_PERMISSIONS, Scope } from '../../core/actor.ts';
import { hashSecret, newToken, randomText, sameSecret } from './secrets.ts';
import type { IdentityTables } from './tables.ts';

export type TokenRow = Selectable<IdentityTables['api_tokens']>;

const SEEN_EVERY_MS = 60_000;
const KEEP_ENDED_MS = 365 * 86_400_000;

export interface NewToken {
  readonly name: string;
  readonly role: Role;
  readonly scope?: Scope | undefined;
  readonly userId?: string | undefined;
  readonly createdBy: string;
  /** The token that it is made with. */
  readonly parent?: string | undefined;
  readonly expiresAt: Date | null;
  readonly now: Date;
}

/** The token's text is in the answer and nowhere else: what is stored cannot be turned back into it. */
export async function insertToken(
  db: Kysely<IdentityTables>,
  { name, role, scope, userId, createdBy, parent, expiresAt, now }: NewToken,
): Promise<{ row: TokenRow; token: string }> {
  const id = randomText(12);
  const token = newToken(id);
  const row: TokenRow = {
    id,
    name,
    role,
    scope: scope === undefined ? null : JSON.stringify(scope),
    hash: hashSecret(token),
    user_id: userId ?? null,
    created_by: createdBy,
    parent: parent ?? null,
    created_at: now,
    expires_at: expiresAt,
    revoked_at: null,
    last_used_at: null,
    last_used_from: null,
    rotated_at: null,
    previous_hash: null,
    previous_until: null,
  };
  await db.insertInto('api_tokens').values(row).execute();
  return { row, token };
}

/** Gives a token another secret; the old one is good for as long as it takes to hand the new one out. */
export async function renewSecret(
  db: Kysely<IdentityTables>,
  { id, hash }: Pick<TokenRow, 'id' | 'hash'>,
  { now, graceMs, expiresAt }: { now: Date; graceMs: number; expiresAt: Date | null },
): Promise<string | undefined> {
  const token = newToken(id);
  const { numUpdatedRows } = await db
    .updateTable('api_tokens')
    .set({
      hash: hashSecret(token),
      previous_hash: hash,
      previous_until: new Date(now.getTime() + graceMs),
      rotated_at: now,
      expires_at: expiresAt,
    })
    .where('id', '=', id)
    // Of two at once one would get a secret that is void already.
    .where('hash', '=', hash)
    .executeTakeFirst();
  return numUpdatedRows === 1n ? token : undefined;
}

/** Ends a token, and every one that was made with it; undefined where the owner has none of that id. */
export async function revokeToken(
  db: Kysely<IdentityTables>,
  { id, owner, now }: { id: string; owner: string | null; now: Date },
): Promise<Date | undefined> {
  const { rows } = await sql<{ id: string; revoked_at: Date }>`
    with recursive ended as (
      select id from api_tokens where id = ${id} and (${owner}::text is null or user_id = ${owner})
      union select made.id from api_tokens made join ended on made.parent = ended.id)
    update api_tokens set revoked_at = coalesce(revoked_at, ${now}) where id in (select id from ended)
    returning id, revoked_at`.execute(db);
  return rows.find((row) => row.id === id)?.revoked_at;
}

export function scopeOf({ scope }: Pick<TokenRow, 'scope'>): Scope | undefined {
  if (scope === null) return undefined;
  return Scope.parse(typeof scope === 'string' ? JSON.parse(scope) : scope);
}

/** Tokens that ended stay visible for a year: somebody may ask what one was. */
export async function pruneTokens(db: Kysely<IdentityTables>, now: Date): Promise<void> {
  const before = new Date(now.getTime() - KEEP_ENDED_MS);
  await db
    .deleteFrom('api_tokens')
    .where((where) => where.or([where('expires_at', '<', before), where('revoked_at', '<', before)]))
    .execute();
}

/** What a credential turned out to be: whom it stands for, or what is wrong with it and, where that is known, whose it was. */
export type Presented =
  | { readonly actor: Actor }
  | { readonly actor: undefined; readonly wrong: 'unknown' | 'revoked' | 'expired' | 'void'; readonly was?: Actor };

/** Who the token stands for, as long as it and its user are valid. */
export async function lookUpToken(
  db: Kysely<IdentityTables>,
  id: string,
  token: string,
  { from, now }: { from: string; now: Date },
): Promise<Presented> {
  const row = await db
    .selectFrom('api_tokens')
    .leftJoin('users', 'users.id', 'api_tokens.user_id')
    .leftJoin('api_tokens as maker', 'maker.id', 'api_tokens.parent')
    .selectAll('api_tokens')
    .select([
      'maker.revoked_at as maker_revoked_at',
      'users.disabled_at',
      'users.role as user_role',
      'users.name as user_name',
    ])
    .where('api_tokens.id', '=', id)
    .executeTakeFirst();
  if (!row || !isSecretOf(row, hashSecret(token), now)) return { actor: undefined, wrong: 'unknown' };
  const scope = scopeOf(row);
  const actor: Actor = {
    kind: 'token',
    id: `token:${row.id}`,
    name: row.name,
    role: row.role,
    ...(row.user_name === null ? {} : { onBehalfOf: row.user_name }),
    ...(scope && { scope }),
  };
  const refused = (wrong: 'revoked' | 'expired' | 'void'): Presented => ({ actor: undefined, wrong, was: actor });
  // Made at the very moment at which its maker ended.
  if (row.revoked_at || row.maker_revoked_at) return refused('revoked');
  if (row.expires_at && row.expires_at <= now) return refused('expired');
  const userRole = row.user_role;
  // Whoever was given a lesser role must not keep the greater one in a drawer.
  const beyond =
    userRole !== null && ROLE_PERMISSIONS[row.role].some((each) => !ROLE_PERMISSIONS[userRole].includes(each));
  if (row.disabled_at || beyond) return refused('void');
  if (!row.last_used_at || now.getTime() - row.last_used_at.getTime() > SEEN_EVERY_MS || row.last_used_from !== from) {
    await sql`update api_tokens set last_used_at = ${now}, last_used_from = ${from} where id = ${id}`.execute(db);
  }
  return { actor };
}

function isSecretOf({ hash, previous_hash, previous_until }: TokenRow, presented: string, now: Date): boolean {
  if (sameSecret(hash, presented)) return true;
  return (
    previous_hash !== null && previous_until !== null && previous_until > now && sameSecret(previous_hash, presented)
  );
}
