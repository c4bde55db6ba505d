import { type Kysely, sql } from 'kysely';
import { z } from 'zod';
import { type Actor, LOCAL_ACTOR, Role } from '../../core/actor.ts';
import { StewardError } from '../../core/errors.ts';
import { Proof } from '../../core/identity.ts';
import { type AnyOperation, defineCommand, defineQuery, NoInput } from '../../core/operation.ts';
import { insertUser, Password, UserName } from './accounts.ts';
import type { Confirm } from './confirm.ts';
import { assertMayGrant } from './grants.ts';
import { orAbsent } from './or-absent.ts';
import { hashPassword } from './secrets.ts';
import type { IdentityTables } from './tables.ts';
import { userNamed } from './user-named.ts';

const User = z.object({
  id: z.string(),
  name: z.string(),
  role: Role,
  createdBy: z.string(),
  createdAt: z.coerce.date(),
  lastLoginAt: z.coerce.date().optional(),
  disabledAt: z.coerce.date().optional(),
});

const proof = Proof.optional().describe(
  'That it is really you: the password, with a code where one is needed, or a passkey.',
);

/** People who may sign in. Whoever makes an account, or gives it another password, could be that person from then on. */
export function userOperations(db: Kysely<IdentityTables>, { reassure }: Confirm): readonly AnyOperation[] {
  /** Who holds the machine has other ways to the same end. */
  async function shown(actor: Actor, proof: Proof | undefined, purpose: string, from: string): Promise<void> {
    if (actor.id !== LOCAL_ACTOR) await reassure({ actor, proof, purpose, from });
  }

  return [
    defineQuery({
      name: 'users',
      title: 'Users',
      summary: 'Lists the people who may sign in.',
      permission: 'administer',
      cli: ['user', 'list'],
      columns: ['name', 'role', 'lastLoginAt', 'disabledAt', 'createdAt'],
      input: NoInput,
      output: z.object({ items: z.array(User) }),
      async handle() {
        const rows = await db.selectFrom('users').selectAll().orderBy('name').execute();
        return {
          items: rows.map(({ id, name, role, created_by, created_at, last_login_at, disabled_at }) => ({
            id,
            name,
            role,
            createdBy: created_by,
            createdAt: created_at,
            lastLoginAt: orAbsent(last_login_at),
            disabledAt: orAbsent(disabled_at),
          })),
        };
      },
    }),
    defineCommand({
      name: 'create-user',
      title: 'Create a user',
      summary: 'Creates a person who may sign in; without a password one is made up and shown once.',
      permission: 'administer',
      // Whoever can make an account with a password can sign in with it, and a session may approve what destroys.
      personOrMachine: true,
      cli: ['user', 'create'],
      cliArguments: ['name'],
      input: z.object({ name: UserName, role: Role.default('viewer'), password: Password.optional(), proof }),
      output: z.object({
        id: z.string(),
        name: z.string(),
        role: Role,
        password: z.string().optional().describe('The made-up one; shown once.'),
      }),
      async handle({ name, role, password, proof }, { actor, now, from }) {
        assertMayGrant(actor, { role });
        await shown(actor, proof, `create-user:${name}`, from);
        const made = await insertUser(db, { name, role, password, createdBy: actor.name, now });
        return { id: made.user.id, name, role, password: made.password };
      },
    }),
    defineCommand({
      name: 'update-user',
      title: 'Change a user',
      summary: 'Gives a user another role or password, or disables the account; a disabled one is signed out at once.',
      permission: 'administer',
      personOrMachine: true,
      cli: ['user', 'update'],
      cliArguments: ['name'],
      input: z.object({
        name: UserName,
        role: Role.optional(),
        password: Password.optional(),
        disabled: z.boolean().optional().describe('Whether the account is shut.'),
        proof,
      }),
      output: User.pick({ id: true, name: true, role: true, disabledAt: true }),
      async state({ name }) {
        const user = await db
          .selectFrom('users')
          .select(['role', 'disabled_at'])
          .where(sql<boolean>`lower(name) = lower(${name})`)
          .executeTakeFirst();
        return user && { role: user.role, disabled: user.disabled_at !== null };
      },
      async handle({ name, role, password, disabled, proof }, { actor, now, from }) {
        if (role) assertMayGrant(actor, { role });
        await shown(actor, proof, `update-user:${name}`, from);
        const hash = password === undefined ? undefined : await hashPassword(password);
        return await db.transaction().execute(async (trx) => {
          // Two admins who demote each other at once must not leave none.
          await sql`lock table users in exclusive mode`.execute(trx);
          const user = await userNamed(trx, name);
          const next = {
            role: role ?? user.role,
            disabled_at: disabled === undefined ? user.disabled_at : disabled ? (user.disabled_at ?? now) : null,
          };
          await trx
            .updateTable('users')
            .set({ ...next, ...(hash === undefined ? {} : { password: hash }) })
            .where('id', '=', user.id)
            .execute();
          const admin = await trx
            .selectFrom('users')
            .select('id')
            .where('role', '=', 'admin')
            .where('disabled_at', 'is', null)
            .executeTakeFirst();
          if (!admin)
            throw new StewardError('PRECONDITION_FAILED', `${user.name} is the last admin.`, {
              hint: 'Make somebody else admin first.',
            });
          if (hash !== undefined || next.disabled_at || next.role !== user.role)
            await trx.deleteFrom('user_sessions').where('user_id', '=', user.id).execute();
          return { id: user.id, name: user.name, role: next.role, disabledAt: orAbsent(next.disabled_at) };
        });
      },
    }),
    defineCommand({
      name: 'reset-second-factor',
      title: "Reset somebody's second factor",
      summary: 'Removes the authenticator app, the recovery codes and the passkeys of a user, and signs them out.',
      permission: 'administer',
      personOrMachine: true,
      cli: ['user', 'reset-second-factor'],
      cliArguments: ['name'],
      input: z.object({ name: UserName, proof }),
      output: z.object({ id: z.string(), name: z.string() }),
      async handle({ name, proof }, { actor, from }) {
        await shown(actor, proof, `reset-second-factor:${name}`, from);
        return await db.transaction().execute(async (trx) => {
          const user = await userNamed(trx, name);
          assertMayGrant(actor, { role: user.role });
          await trx.deleteFrom('user_totp').where('user_id', '=', user.id).execute();
          await trx.deleteFrom('user_recovery_codes').where('user_id', '=', user.id).execute();
          await trx.deleteFrom('user_passkeys').where('user_id', '=', user.id).execute();
          await trx.deleteFrom('user_sessions').where('user_id', '=', user.id).execute();
          return { id: user.id, name: user.name };
        });
      },
    }),
  ];
}
