import type { Kysely } from 'kysely';
import { z } from 'zod';
import { may } from '../../core/actor.ts';
import { StewardError } from '../../core/errors.ts';
import { type AnyOperation, defineCommand, defineQuery, NoInput } from '../../core/operation.ts';
import { ownerOf, personOf } from './grants.ts';
import { orAbsent } from './or-absent.ts';
import type { IdentityTables } from './tables.ts';

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

export function sessionOperations(db: Kysely<IdentityTables>): readonly AnyOperation[] {
  return [
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
        const owner = await ownerOf(db, actor);
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
    defineCommand({
      name: 'sign-out-everywhere',
      title: 'Sign out everywhere',
      summary: 'Ends every other session of yours, and this one as well where asked.',
      permission: 'read',
      personOnly: true,
      cli: ['session', 'end-all'],
      input: z.object({ here: z.boolean().default(false).describe('Whether this session ends, too.') }),
      output: z.object({ ended: z.number().int() }),
      async handle({ here }, { actor }) {
        const { userId, session } = personOf(actor);
        const { numDeletedRows } = await db
          .deleteFrom('user_sessions')
          .where('user_id', '=', userId)
          .$if(!here, (query) => query.where('id', '!=', session))
          .executeTakeFirst();
        return { ended: Number(numDeletedRows) };
      },
    }),
  ];
}
