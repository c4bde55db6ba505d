import { type Kysely, sql } from 'kysely';
import { StewardError } from '../../core/errors.ts';
import type { UserRow } from './accounts.ts';
import type { IdentityTables } from './tables.ts';

/** Names are the same in whatever case they are typed. */
export async function userNamed(db: Kysely<IdentityTables>, name: string): Promise<UserRow> {
  const user = await db
    .selectFrom('users')
    .selectAll()
    .where(sql<boolean>`lower(name) = lower(${name})`)
    .executeTakeFirst();
  if (user) return user;
  throw new StewardError('NOT_FOUND', `There is no user called ${name}.`, { hint: 'See steward user list.' });
}
