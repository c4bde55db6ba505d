import type { Kysely } from 'kysely';
import { z } from 'zod';
import { type Actor, LOCAL_ACTOR, may, Permission, Role, ROLE_PERMISSIONS, Scope } from '../../core/actor.ts';
import { ms, parseDuration } from '../../core/duration.ts';
import { StewardError } from '../../core/errors.ts';
import type { Json } from '../../core/json.ts';
import { type AnyOperation, defineCommand, defineQuery, NoInput } from '../../core/operation.ts';
import type { Store } from '../../store/store.ts';
import { assertMayGrant, assertNoAgent, ownerOf, userIdOf } from './grants.ts';
import { orAbsent } from './or-absent.ts';
import type { IdentityTables } from './tables.ts';
import { insertToken, renewSecret, revokeToken, scopeOf, type TokenRow } from './tokens.ts';

const LONGEST_TOKEN_MS = ms('3650d');
const LONGEST_GRACE_MS = ms('7d');

const Expiry = z
  .string()
  .max(50)
  .refine(
    (text) => text === 'never' || withinReach(parseDuration(text), LONGEST_TOKEN_MS),
    "expected a length of time up to 3650d, such as 30d, or 'never'",
  );

function withinReach(length: number | undefined, atMost: number): boolean {
  return length !== undefined && length > 0 && length <= atMost;
}

const TokenRequest = z.object({
  name: z.string().trim().min(1).max(100).describe('What it is for.'),
  role: Role,
  expires: Expiry.default('90d').describe("When it ends: 30d, 12h; 'never' is for admins."),
  only: Scope.shape.operations,
  permissions: Scope.shape.permissions,
});

const CreatedToken = z.object({
  id: z.string(),
  name: z.string(),
  role: Role,
  token: z.string().describe('Keep it now: it is shown once.'),
  only: z.array(z.string()).optional(),
  permissions: z.array(Permission).optional(),
  expiresAt: z.coerce.date().optional(),
});

const RotatedToken = CreatedToken.extend({
  previousUntil: z.coerce.date().describe('Until then the old secret works, too.'),
});

const Token = CreatedToken.omit({ token: true }).extend({
  createdBy: z.string(),
  createdAt: z.coerce.date(),
  rotatedAt: z.coerce.date().optional(),
  lastUsedAt: z.coerce.date().optional(),
  lastUsedFrom: z.string().optional(),
  revokedAt: z.coerce.date().optional(),
});

const TokenId = z.string().min(1).max(100).describe('Its id, as in the list of tokens.');

/** A token for whoever holds the machine, while no server runs. The input is that of `create-token`. */
export async function createTokenHere(
  store: Pick<Store, 'db'>,
  input: unknown,
  { osUser, now }: { osUser: string; now: Date },
): Promise<z.input<typeof CreatedToken>> {
  const request = TokenRequest.parse(input);
  const scope = scopeAsked(request);
  const { row, token } = await insertToken(store.db.withTables<IdentityTables>(), {
    name: request.name,
    role: request.role,
    scope,
    createdBy: `local:${osUser}`,
    expiresAt: endOf(request.expires, now),
    now,
  });
  return { ...shown(row), token };
}

export function tokenOperations(db: Kysely<IdentityTables>): readonly AnyOperation[] {
  const state = async ({ id }: { readonly id: string }): Promise<Json | undefined> => {
    const row = await db.selectFrom('api_tokens').selectAll().where('id', '=', id).executeTakeFirst();
    return (
      row && {
        name: row.name,
        role: row.role,
        expiresAt: row.expires_at?.toISOString() ?? null,
        revoked: row.revoked_at !== null,
      }
    );
  };

  return [
    defineCommand({
      name: 'create-token',
      title: 'Create a token',
      summary: 'Creates a bearer token of a role, narrowed where asked; its text is shown once.',
      permission: 'operate',
      noAgents: true,
      cli: ['token', 'create'],
      input: TokenRequest,
      output: CreatedToken,
      examples: [
        { title: 'For a status screen', input: { name: 'hallway-screen', role: 'viewer' } },
        {
          title: 'For a job that looks at backups and nothing else',
          input: { name: 'nightly', role: 'operator', expires: '30d', only: ['backup-*'], permissions: ['read'] },
        },
      ],
      async handle(request, { actor, now }) {
        const { name, role } = request;
        const scope = scopeAsked(request);
        const expiresAt = endOf(request.expires, now);
        assertMayGrant(actor, { role, scope });
        await assertMayLast(db, actor, expiresAt);
        const userId = await userIdOf(db, actor);
        const { row, token } = await insertToken(db, {
          name,
          role,
          scope,
          userId,
          createdBy: actor.name,
          parent: tokenOf(actor),
          expiresAt,
          now,
        });
        return { ...shown(row), token };
      },
    }),
    defineQuery({
      name: 'tokens',
      title: 'Tokens',
      summary: 'Lists the bearer tokens, with role, scope, end and last use; never their text.',
      permission: 'operate',
      cli: ['token', 'list'],
      columns: ['id', 'name', 'role', 'only', 'permissions', 'createdBy', 'expiresAt', 'lastUsedAt', 'revokedAt'],
      input: NoInput,
      output: z.object({ items: z.array(Token) }),
      async handle(_input, { actor }) {
        const owner = await ownerOf(db, actor);
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
            ...shown(row),
            createdBy: row.created_by,
            createdAt: row.created_at,
            rotatedAt: orAbsent(row.rotated_at),
            lastUsedAt: orAbsent(row.last_used_at),
            lastUsedFrom: orAbsent(row.last_used_from),
            revokedAt: orAbsent(row.revoked_at),
          })),
        };
      },
    }),
    defineCommand({
      name: 'rotate-token',
      title: 'Rotate a token',
      summary:
        'Gives a token a new secret, shown once; the old one works for a while, so that nothing stops meanwhile.',
      permission: 'operate',
      noAgents: true,
      cli: ['token', 'rotate'],
      cliArguments: ['id'],
      input: z.object({
        id: TokenId,
        grace: z
          .string()
          .max(50)
          .refine((text) => text === '0s' || withinReach(parseDuration(text), LONGEST_GRACE_MS), 'expected up to 7d')
          .default('1h')
          .describe('How long the old secret works; 0s ends it at once.'),
        expires: Expiry.optional().describe('When it ends from now on; without it the end stays.'),
      }),
      output: RotatedToken,
      state,
      async handle({ id, grace, expires }, { actor, now }) {
        const row = await ownToken(db, id, actor);
        // Its secret is that token: nobody gets one that they could not have made.
        assertMayGrant(actor, { role: row.role, scope: scopeOf(row) });
        assertOwnSecret(row, actor, now);
        const expiresAt = expires === undefined ? row.expires_at : endOf(expires, now);
        if (expires !== undefined || actor.kind === 'token') await assertMayLast(db, actor, expiresAt);
        if (row.revoked_at || (row.expires_at && row.expires_at <= now))
          throw new StewardError('PRECONDITION_FAILED', `Token ${id} has ended.`, {
            hint: 'Create another: steward token create.',
          });
        const graceMs = ms(grace);
        const token = await renewSecret(db, row, { now, graceMs, expiresAt });
        if (token === undefined)
          throw new StewardError('CONFLICT', `Token ${id} was rotated at the same time.`, {
            hint: 'Whoever did has the new secret. Rotate it again to have another.',
          });
        return {
          ...shown({ ...row, expires_at: expiresAt }),
          token,
          previousUntil: new Date(now.getTime() + graceMs),
        };
      },
    }),
    defineCommand({
      name: 'revoke-token',
      title: 'Revoke a token',
      summary: 'Ends a bearer token at once, with every one that was made with it.',
      permission: 'operate',
      noAgents: true,
      cli: ['token', 'revoke'],
      cliArguments: ['id'],
      input: z.object({ id: TokenId }),
      output: z.object({ id: z.string(), revokedAt: z.coerce.date() }),
      state,
      async handle({ id }, { actor, now }) {
        assertNoAgent(actor);
        const owner = await ownerOf(db, actor);
        const revokedAt = await revokeToken(db, { id, owner: owner === undefined ? '' : owner, now });
        if (!revokedAt) throw notYours(id, 'revoke');
        return { id, revokedAt };
      },
    }),
  ];
}

function shown(row: TokenRow) {
  const scope = scopeOf(row);
  return {
    id: row.id,
    name: row.name,
    role: row.role,
    only: scope?.operations,
    permissions: scope?.permissions,
    expiresAt: orAbsent(row.expires_at),
  };
}

function endOf(expires: string, now: Date): Date | null {
  return expires === 'never' ? null : new Date(now.getTime() + ms(expires));
}

/** Undefined where nothing narrows the role. */
function scopeAsked({ role, only, permissions }: z.output<typeof TokenRequest>): Scope | undefined {
  const beyond = permissions?.find((permission) => !ROLE_PERMISSIONS[role].includes(permission));
  if (beyond !== undefined)
    throw new StewardError('INPUT_INVALID', `permissions: the role ${role} does not have ${beyond}.`, {
      problems: [{ path: 'permissions', message: `expected some of ${ROLE_PERMISSIONS[role].join(', ')}` }],
      hint: 'A scope narrows a role; it adds nothing to it.',
    });
  if (only === undefined && permissions === undefined) return undefined;
  return { ...(only && { operations: only }), ...(permissions && { permissions }) };
}

/** A credential that leaks must not be able to make itself last. */
async function assertMayLast(db: Kysely<IdentityTables>, actor: Actor, expiresAt: Date | null): Promise<void> {
  if (expiresAt === null && !may(actor, 'administer'))
    throw new StewardError('FORBIDDEN', 'A token without an end is for admins to make.', {
      hint: 'Say when it ends: --expires 90d.',
    });
  if (actor.kind !== 'token' || actor.id === LOCAL_ACTOR) return;
  const own = await db
    .selectFrom('api_tokens')
    .select('expires_at')
    .where('id', '=', actor.id.replace(/^token:/, ''))
    .executeTakeFirst();
  if (!own)
    throw new StewardError('FORBIDDEN', `${actor.name} is vouched for by somebody else, and makes no tokens.`, {
      hint: 'Sign in, or use a token of Steward.',
    });
  if (own.expires_at === null || (expiresAt !== null && expiresAt <= own.expires_at)) return;
  throw new StewardError('FORBIDDEN', `A token makes none that outlives it: it ends ${own.expires_at.toISOString()}.`, {
    hint: 'Ask for an earlier end with --expires, or sign in.',
  });
}

/** Somebody else's token acts in that person's name, so not even an admin gets to hold it. */
async function ownToken(db: Kysely<IdentityTables>, id: string, actor: Actor): Promise<TokenRow> {
  const row = await db.selectFrom('api_tokens').selectAll().where('id', '=', id).executeTakeFirst();
  const owner = await userIdOf(db, actor);
  const mine = row && (row.user_id === null ? may(actor, 'administer') : row.user_id === owner);
  if (!mine) throw notYours(id, 'rotate');
  return row;
}

/** The id of the token that asks, where it is one of the store. */
function tokenOf({ kind, id }: Actor): string | undefined {
  return kind === 'token' && id !== LOCAL_ACTOR && id.startsWith('token:') ? id.slice('token:'.length) : undefined;
}

/** Whoever stole a token must not have another one in hand when it ends, nor take it over while it is being replaced. */
function assertOwnSecret(row: TokenRow, actor: Actor, now: Date): void {
  const asking = tokenOf(actor);
  if (asking === undefined) return;
  if (asking !== row.id && asking !== row.parent)
    throw new StewardError('FORBIDDEN', 'A token rotates itself, and those that were made with it.', {
      hint: 'Sign in, or use the command line on the machine of Steward.',
    });
  if (asking === row.id && row.previous_until && row.previous_until > now)
    throw new StewardError('CONFLICT', `Its former secret is good until ${row.previous_until.toISOString()}.`, {
      hint: 'Rotate it again after that, or sign in and do it now.',
    });
}

function notYours(id: string, verb: string): StewardError {
  return new StewardError('NOT_FOUND', `There is no token ${id} that you may ${verb}.`, {
    hint: 'See steward token list.',
  });
}
