import { sql } from 'kysely';
import type { Actor } from '../../core/actor.ts';
import { StewardError } from '../../core/errors.ts';
import type { Identity } from '../../core/identity.ts';
import type { IdentityParts } from './deps.ts';
import type { Attempt } from './lockout.ts';
import { relyingPartyOf } from './relying-party.ts';
import { isPassword } from './secrets.ts';
import { openSession } from './sessions.ts';

export const stranger = (name: string): Actor => ({
  kind: 'user',
  id: 'unknown',
  name: name.slice(0, 100),
  role: 'viewer',
});

/** The ways in for people: a password, with a code where an authenticator app is enrolled, or a passkey. */
export function createSignIn({
  db,
  audit,
  lockout,
  secondFactor,
  passkeys,
  now,
}: IdentityParts): Pick<Identity, 'login' | 'passkeyChallenge' | 'loginWithPasskey'> {
  async function begin(attempt: Attempt): Promise<void> {
    try {
      await lockout.begin(attempt);
    } catch (thrown) {
      const actor = stranger(attempt.name ?? 'unknown');
      await audit.append({ action: 'login.locked-out', actor, outcome: 'refused', from: attempt.from });
      throw thrown;
    }
  }

  async function refuse(attempt: Attempt, what: string, error: StewardError): Promise<never> {
    await lockout.failed(attempt, what);
    const actor = stranger(attempt.name ?? 'unknown');
    await audit.append({ action: 'login.refused', actor, outcome: 'refused', from: attempt.from, reason: what });
    throw error;
  }

  return {
    async login({ name, password, code, from, userAgent }) {
      const user = await db
        .selectFrom('users')
        .selectAll()
        .where(sql<boolean>`lower(name) = lower(${name})`)
        .executeTakeFirst();
      // Counted under the one name that the store finds it by: it knows more spellings of a letter than we do.
      const attempt = { name: user?.name ?? name, from };
      await begin(attempt);
      const right = await isPassword(password, user?.password);
      if (!user || !right || user.disabled_at)
        return await refuse(
          attempt,
          'password',
          new StewardError('UNAUTHENTICATED', 'Name or password is wrong.', {
            hint: 'After five wrong passwords the name is locked for 15 minutes.',
          }),
        );
      const withCode = await secondFactor.isOn(user.id);
      if (withCode && code === undefined) {
        await lockout.withdrawn(attempt);
        throw new StewardError('CONFIRMATION_REQUIRED', 'A code of the authenticator app is needed.', {
          hint: 'Send it as code; a recovery code does as well.',
        });
      }
      if (withCode && code !== undefined && !(await secondFactor.accept(user.id, code)))
        return await refuse(
          attempt,
          'code',
          new StewardError('UNAUTHENTICATED', 'The code is wrong, over, or was used before.', {
            hint: 'Wait for the next one. After five wrong ones the name is locked for 15 minutes.',
          }),
        );
      const signedIn = await openSession(db, user, { from, userAgent, now: now() });
      await lockout.succeeded(attempt);
      const detail = { method: withCode ? 'password and code' : 'password' };
      await audit.append({ action: 'login.succeeded', actor: signedIn.actor, outcome: 'succeeded', from, detail });
      return signedIn;
    },

    passkeyChallenge: async ({ origin }) => await passkeys.challenge(relyingPartyOf(origin)),

    async loginWithPasskey({ response, from, userAgent }) {
      const attempt = { from };
      await begin(attempt);
      try {
        const { userId } = await passkeys.verify(response);
        const user = await db.selectFrom('users').selectAll().where('id', '=', userId).executeTakeFirst();
        if (!user || user.disabled_at) throw new StewardError('UNAUTHENTICATED', 'The passkey was refused.');
        // Whoever vouches for the person must be asked each time, or leaving there would change nothing here.
        if (user.password === null)
          throw new StewardError('UNAUTHENTICATED', 'This account signs in through its identity provider.', {
            hint: 'The passkey confirms what you approve once you are signed in.',
          });
        const signedIn = await openSession(db, user, { from, userAgent, now: now() });
        await lockout.succeeded(attempt);
        const detail = { method: 'passkey' };
        await audit.append({ action: 'login.succeeded', actor: signedIn.actor, outcome: 'succeeded', from, detail });
        return signedIn;
      } catch (thrown) {
        const error = StewardError.from(thrown);
        if (error.code === 'UNAUTHENTICATED') return await refuse(attempt, 'passkey', error);
        await lockout.withdrawn(attempt);
        throw error;
      }
    },
  };
}
