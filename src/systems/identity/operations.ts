import { type Kysely, sql } from 'kysely';
import { z } from 'zod';
import { type Actor, may, Role } from '../../core/actor.ts';
import { ms, parseDuration } from '../../core/duration.ts';
import { StewardError } from '../../core/errors.ts';
import { type AnyOperation, defineCommand, defineQuery, NoInput } from '../../core/operation.ts';
import { assertMayGrant, assertMayManageAccounts, assertNoAgent, insertUser, Password, UserName } from './accounts.ts';
import { hashPassword } from './secrets.ts';
import type { Store } from '../../store/store.ts';
import type { IdentityTables } from './tables.ts';
import { insertToken } from './tokens.ts';

const LONGEST_TOKEN_MS = ms('3650d');

const Expiry = z
  .string()
  .max(50)
  .refine(
    (text) => text === 'never' || withinReach(parseDuration(text)),
    "expected a length of time up to 3650d, such as 30d, or 'never'",
  )
  .default('365d')
  .describe("When it ends: 30d, 12h, or 'never'.");

function withinReach(length: number | undefined): boolean {
  return length !== undefined && length > 0 && length <= LONGEST_TOKEN_MS;
}

const TokenRequest = z.object({
  name: z.string().trim().min(1).max(100).describe('What it is for.'),
  role: Role,
  expires: Expiry,
});

const CreatedToken = z.object({
  id: z.string(),
  name: z.string(),
  role: Role,
  token: z.string().describe('Keep it now: it is shown once.'),
  expiresAt: z.coerce.date().optional(),
});

async function issue(
  db: Kysely<IdentityTables>,
  { name, role, expires }: z.output<typeof TokenRequest>,
  { userId, createdBy, now }: { userId: string | undefined; createdBy: string; now: Date },
): Promise<z.input<typeof CreatedToken>> {
  const expiresAt = expires === 'never' ? null : new Date(now.getTime() + ms(expires));
  const { row, token } = await insertToken(db, { name, role, userId, createdBy, expiresAt, now });
  return { id: row.id, name, role, token, expiresAt: orAbsent(row.expires_at) };
}

/** A token for whoever holds the machine, while no server runs. The input is that of `create-token`. */
export async function createTokenHere(
  store: Pick<Store, 'db'>,
  input: unknown,
  { osUser, now }: { osUser: string; now: Date },
): Promise<z.input<typeof CreatedToken>> {
  return await issue(store.db.withTables<IdentityTables>(), TokenRequest.parse(input), {
    userId: undefined,
    createdBy: `local:${osUser}`,
    now,
  });
}

const Token = z.object({
  id: z.string(),
  name: z.string(),
  role: Role,
  createdBy: z.string(),
  createdAt: z.coerce.date(),
  expiresAt: z.coerce.date().optional(),
  lastUsedAt: z.coerce.date().optional(),
  lastUsedFrom: z.string().optional(),
  revokedAt: z.coerce.date().optional(),
});

const User = z.object({
  id: z.string(),
  name: z.string(),
  role: Role,
  createdBy: z.string(),
  createdAt: z.coerce.date(),
  lastLoginAt: z.coerce.date().optional(),
  disabledAt: z.coerce.date().optional(),
});

const Session = z.object({
  id: z.string(),
  user: z.string(),
  createdAt: z.coerce.date(),
  seenAt: z.coerce.date(),
  expiresAt: z.coerce.date(),
  address: z.string(),
  userAgent: z.string().optional(),
  current: z.boolean(),
});

const orAbsent = <T>(value: T | null): T | undefined => value ?? undefined;

export function identityOperations(db: Kysely<IdentityTables>): readonly AnyOperation[] {
  /** The person behind the actor; none where the machine itself asks. */
  const userIdOf = async (actor: Actor): Promise<string | undefined> => {
    if (actor.kind === 'user') return actor.id;
    const token = await db
      .selectFrom('api_tokens')
      .select('user_id')
      .where('id', '=', actor.id.replace(/^token:/, ''))
      .executeTakeFirst();
    return token?.user_id ?? undefined;
  };
  /** Whose belongings the actor sees and ends: null is everybody's, and only an admin's. */
  const ownerOf = async (actor: Actor): Promise<string | undefined | null> =>
    may(actor, 'administer') ? null : await userIdOf(actor);

  return [
    defineCommand({
      name: 'create-token',
      title: 'Create a token',
      summary: 'Creates a bearer token of a role; its text is shown once.',
      permission: 'operate',
      noAgents: true,
      cli: ['token', 'create'],
      input: TokenRequest,
      output: CreatedToken,
      examples: [{ title: 'For a status screen', input: { name: 'hallway-screen', role: 'viewer' } }],
      async handle({ name, role, expires }, { actor, now }) {
        assertMayGrant(actor, role);
        return await issue(db, { name, role, expires }, { userId: await userIdOf(actor), createdBy: actor.name, now });
      },
    }),
    defineQuery({
      name: 'tokens',
      title: 'Tokens',
      summary: 'Lists the bearer tokens, with role, end and last use; never their text.',
      permission: 'operate',
      cli: ['token', 'list'],
      columns: ['id', 'name', 'role', 'createdBy', 'expiresAt', 'lastUsedAt', 'revokedAt'],
      input: NoInput,
      output: z.object({ items: z.array(Token) }),
      async handle(_input, { actor }) {
        const owner = await ownerOf(actor);
        if (owner === undefined) return { items: [] };
        const rows = await db
          .selectFrom('api_tokens')
          .selectAll()
          .$if(owner !== null, (query) => query.where('user_id', '=', owner))
          .orderBy('created_at', 'desc')
          .limit(1_000)
          .execute();
        return {
          items: rows.map((row) => ({
            id: row.id,
            name: row.name,
            role: row.role,
            createdBy: row.created_by,
            createdAt: row.created_at,
            expiresAt: orAbsent(row.expires_at),
            lastUsedAt: orAbsent(row.last_used_at),
            lastUsedFrom: orAbsent(row.last_used_from),
            revokedAt: orAbsent(row.revoked_at),
          })),
        };
      },
    }),
    defineCommand({
      name: 'revoke-token',
      title: 'Revoke a token',
      summary: 'Ends a bearer token at once.',
      permission: 'operate',
      noAgents: true,
      cli: ['token', 'revoke'],
      cliArguments: ['id'],
      input: z.object({ id: z.string().min(1).max(100).describe('Its id, as in the list of tokens.') }),
      output: z.object({ id: z.string(), revokedAt: z.coerce.date() }),
      async handle({ id }, { actor, now }) {
        assertNoAgent(actor);
        const owner = await ownerOf(actor);
        const revoked = await db
          .updateTable('api_tokens')
          .set(({ fn, val }) => ({ revoked_at: fn.coalesce('revoked_at', val(now)) }))
          .where('id', '=', id)
          .$if(owner !== null, (query) => query.where('user_id', '=', owner ?? ''))
          .returning('revoked_at')
          .executeTakeFirst();
        if (!revoked)
          throw new StewardError('NOT_FOUND', `There is no token ${id} that you may revoke.`, {
            hint: 'See steward token list.',
          });
        return { id, revokedAt: revoked.revoked_at ?? now };
      },
    }),
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
      cli: ['user', 'create'],
      cliArguments: ['name'],
      input: z.object({ name: UserName, role: Role.default('viewer'), password: Password.optional() }),
      output: z.object({
        id: z.string(),
        name: z.string(),
        role: Role,
        password: z.string().optional().describe('The made-up one; shown once.'),
      }),
      async handle({ name, role, password }, { actor, now }) {
        assertMayManageAccounts(actor);
        assertMayGrant(actor, role);
        const made = await insertUser(db, { name, role, password, createdBy: actor.name, now });
        return { id: made.user.id, name, role, password: made.password };
      },
    }),
    defineCommand({
      name: 'update-user',
      title: 'Change a user',
      summary: 'Gives a user another role or password, or disables the account; a disabled one is signed out at once.',
      permission: 'administer',
      cli: ['user', 'update'],
      cliArguments: ['name'],
      input: z.object({
        name: UserName,
        role: Role.optional(),
        password: Password.optional(),
        disabled: z.boolean().optional().describe('Whether the account is shut.'),
      }),
      output: User.pick({ id: true, name: true, role: true, disabledAt: true }),
      async handle({ name, role, password, disabled }, { actor, now }) {
        assertMayManageAccounts(actor);
        if (role) assertMayGrant(actor, role);
        const hash = password === undefined ? undefined : await hashPassword(password);
        return await db.transaction().execute(async (trx) => {
          // Two admins who demote each other at once must not leave none.
          await sql`lock table users in exclusive mode`.execute(trx);
          const user = await trx
            .selectFrom('users')
            .selectAll()
            .where(sql<boolean>`lower(name) = lower(${name})`)
            .executeTakeFirst();
          if (!user)
            throw new StewardError('NOT_FOUND', `There is no user called ${name}.`, { hint: 'See steward user list.' });
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
    defineQuery({
      name: 'sessions',
      title: 'Sessions',
      summary: 'Lists who is signed in, from where and until when.',
      permission: 'read',
      cli: ['session', 'list'],
      columns: ['id', 'user', 'address', 'seenAt', 'expiresAt'],
      input: NoInput,
      output: z.object({ items: z.array(Session) }),
      async handle(_input, { actor, now }) {
        const owner = await ownerOf(actor);
        if (owner === undefined) return { items: [] };
        const rows = await db
          .selectFrom('user_sessions')
          .innerJoin('users', 'users.id', 'user_sessions.user_id')
          .selectAll('user_sessions')
          .select('users.name as user')
          .where('user_sessions.expires_at', '>', now)
          .$if(owner !== null, (query) => query.where('user_id', '=', owner))
          .orderBy('user_sessions.seen_at', 'desc')
          .limit(1_000)
          .execute();
        return {
          items: rows.map((row) => ({
            id: row.id,
            user: row.user,
            createdAt: row.created_at,
            seenAt: row.seen_at,
            expiresAt: row.expires_at,
            address: row.address,
            userAgent: orAbsent(row.user_agent),
            current: row.id === actor.session,
          })),
        };
      },
    }),
    defineCommand({
      name: 'end-session',
      title: 'End a session',
      summary: 'Signs a session out at once.',
      permission: 'read',
      cli: ['session', 'end'],
      cliArguments: ['id'],
      input: z.object({ id: z.string().min(1).max(100).describe('Its id, as in the list of sessions.') }),
      output: z.object({ id: z.string() }),
      async handle({ id }, { actor }) {
        // A token signs nobody out but where it may administer, not even the one who made it.
        const owner = may(actor, 'administer') ? null : actor.kind === 'user' ? actor.id : undefined;
        const ended = await db
          .deleteFrom('user_sessions')
          .where('id', '=', id)
          .$if(owner !== null, (query) => query.where('user_id', '=', owner ?? ''))
          .returning('id')
          .executeTakeFirst();
        if (!ended)
          throw new StewardError('NOT_FOUND', `There is no session ${id} that you may end.`, {
            hint: 'See steward session list.',
          });
        return { id };
      },
    }),
  ];
}
