import { sql, type Kysely, type Selectable } from 'kysely';
import { z } from 'zod';
import type { Role } from '../../core/actor.ts';
import { StewardError } from '../../core/errors.ts';
import type { Store } from '../../store/store.ts';
import { hashPassword, randomText } from './secrets.ts';
import type { IdentityTables } from './tables.ts';
import { removeSecondFactor } from './totp.ts';

export type UserRow = Selectable<IdentityTables['users']>;

export const UserName = z
  .string()
  .regex(
    /^[\p{L}\p{N}][\p{L}\p{N}._@-]{0,63}$/u,
    'expected up to 64 letters, digits and . _ @ -, beginning with a letter or digit',
  )
  .describe('The name to sign in with.');

export const Password = z
  .string()
  .min(10, 'expected at least 10 characters')
  .max(200, 'expected at most 200 characters')
  .refine((text) => new Set(text).size > 3, 'expected more than three different characters')
  .describe('At least 10 characters.');

export interface NewUser {
  readonly name: string;
  readonly role: Role;
  /** One is made up where it is left out, and is part of the answer; null where somebody else vouches for the person. */
  readonly password?: string | null | undefined;
  readonly createdBy: string;
  readonly now: Date;
}

export async function insertUser(
  db: Kysely<IdentityTables>,
  { name, role, password, createdBy, now }: NewUser,
): Promise<{ user: UserRow; password: string | undefined }> {
  const generated = password === undefined ? randomText(20) : undefined;
  const row: UserRow = {
    id: `usr_${randomText(20)}`,
    name: parsed(UserName, 'name', name),
    role,
    password: password === null ? null : await hashPassword(generated ?? parsed(Password, 'password', password)),
    created_at: now,
    created_by: createdBy,
    disabled_at: null,
    last_login_at: null,
  };
  const added = await db
    .insertInto('users')
    .values(row)
    .onConflict((conflict) => conflict.doNothing())
    .returning('id')
    .executeTakeFirst();
  if (!added)
    throw new StewardError('CONFLICT', `There is a user called ${name} already.`, {
      hint: 'Choose another name, or change that user: steward user update.',
    });
  return { user: row, password: generated };
}

/**
 * A way in for whoever holds the machine: creates an admin, or gives the one of that name a new password and lets them in again, without second factor and passkeys.
 * Needs the store and no running server.
 */
export async function createAdmin(
  store: Pick<Store, 'db'>,
  { name, password, now }: { readonly name: string; readonly password?: string | undefined; readonly now: Date },
): Promise<{ readonly name: string; readonly password: string | undefined; readonly created: boolean }> {
  const db = store.db.withTables<IdentityTables>();
  return await db.transaction().execute(async (trx) => {
    const known = await trx
      .selectFrom('users')
      .selectAll()
      .where(sql<boolean>`lower(name) = lower(${name})`)
      .executeTakeFirst();
    await trx.deleteFrom('access_failures').where('key', '=', `name:${name.toLowerCase()}`).execute();
    await trx.deleteFrom('setup_links').execute();
    if (!known) {
      const made = await insertUser(trx, { name, role: 'admin', password, createdBy: 'local', now });
      return { name, password: made.password, created: true };
    }
    const generated = password === undefined ? randomText(20) : undefined;
    const hash = await hashPassword(generated ?? parsed(Password, 'password', password));
    await trx
      .updateTable('users')
      .set({ role: 'admin', password: hash, disabled_at: null })
      .where('id', '=', known.id)
      .execute();
    await trx.deleteFrom('user_sessions').where('user_id', '=', known.id).execute();
    // Whoever needs this way has lost the phone as well, or was robbed of the account.
    await trx.deleteFrom('user_passkeys').where('user_id', '=', known.id).execute();
    await removeSecondFactor(trx, known.id);
    return { name: known.name, password: generated, created: false };
  });
}

export function parsed<T>(schema: z.ZodType<T>, path: string, value: unknown): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const problems = result.error.issues.map(({ message }) => ({ path, message }));
  throw new StewardError('INPUT_INVALID', `${path}: ${problems[0]?.message}`, {
    problems,
    hint: 'Correct the fields named and send it again.',
  });
}
