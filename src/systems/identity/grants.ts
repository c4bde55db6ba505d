import type { Kysely } from 'kysely';
import { type Actor, may, permissionsOf, type Role, type Scope } from '../../core/actor.ts';
import { StewardError } from '../../core/errors.ts';
import type { IdentityTables } from './tables.ts';

export interface Grant {
  readonly role: Role;
  readonly scope?: Scope | undefined;
}

/** Nobody hands out more than they have, and an agent hands out nothing. */
export function assertMayGrant(actor: Actor, { role, scope }: Grant): void {
  if (actor.role === 'agent') {
    throw new StewardError('FORBIDDEN', 'An agent may not create credentials.', {
      hint: 'Ask an operator or an admin.',
    });
  }
  const own = permissionsOf(actor);
  const missing = permissionsOf({ role, ...(scope && { scope }) }).filter((permission) => !own.includes(permission));
  if (missing.length > 0) {
    throw new StewardError('FORBIDDEN', `The role ${role} may ${missing.join(' and ')}, and ${actor.name} may not.`, {
      hint: 'Create one of your own role and scope or less, or ask an admin.',
    });
  }
  const narrowed = actor.scope?.operations;
  if (!narrowed) return;
  const wider = scope?.operations?.find((name) => !narrowed.some((allowed) => covers(allowed, name)));
  if (scope?.operations && wider === undefined) return;
  throw new StewardError(
    'FORBIDDEN',
    `${actor.name} is narrowed to ${narrowed.join(', ')}, and ${wider ?? 'every operation'} is more.`,
    { hint: 'Name operations within that: --only NAME.' },
  );
}

/** Whether everything that `inner` stands for is among what `outer` stands for. */
function covers(outer: string, inner: string): boolean {
  if (!outer.endsWith('*')) return outer === inner;
  return inner.replace(/\*$/, '').startsWith(outer.slice(0, -1));
}

/** An agent touches no key: neither one of its own nor one of whoever sent it. */
export function assertNoAgent(actor: Actor): void {
  if (actor.role !== 'agent') return;
  throw new StewardError('FORBIDDEN', 'An agent may not end credentials.', { hint: 'Ask an operator or an admin.' });
}

/** The person behind the actor; none where the machine itself asks. */
export async function userIdOf(db: Kysely<IdentityTables>, actor: Actor): Promise<string | undefined> {
  if (actor.kind === 'user') return actor.id;
  const token = await db
    .selectFrom('api_tokens')
    .select('user_id')
    .where('id', '=', actor.id.replace(/^token:/, ''))
    .executeTakeFirst();
  return token?.user_id ?? undefined;
}

/** Whose belongings the actor sees and ends: null is everybody's, and only an admin's. */
export async function ownerOf(db: Kysely<IdentityTables>, actor: Actor): Promise<string | undefined | null> {
  return may(actor, 'administer') ? null : await userIdOf(db, actor);
}

/** Who signed in, for what concerns that person alone. */
export function personOf(actor: Actor): { readonly userId: string; readonly session: string } {
  if (actor.kind === 'user' && actor.session !== undefined) return { userId: actor.id, session: actor.session };
  throw new StewardError('FORBIDDEN', 'This is about a person who is signed in; a token is none.', {
    hint: 'Sign in on the page of this Steward and do it there.',
  });
}
