import type { Actor } from '../../core/actor.ts';
import { StewardError } from '../../core/errors.ts';
import type { Confirmation, Identity, Proof } from '../../core/identity.ts';
import type { IdentityParts } from './deps.ts';
import { personOf } from './grants.ts';
import { isPassword } from './secrets.ts';

/** How long a sign-in counts as proof for who has neither password nor passkey here. */
const FRESH_MS = 10 * 60_000;

export interface Reassurance {
  readonly actor: Actor;
  readonly proof: Proof | undefined;
  readonly purpose: string;
  readonly from: string;
}

export interface Confirm {
  readonly confirm: Identity['confirm'];
  /** As `confirm`, for what changes how a person signs in. Who has nothing to show here must have signed in a moment ago. */
  reassure(request: Reassurance): Promise<void>;
}

/** A person who is signed in shows once more that it is them: an unlocked screen, or a stolen cookie, is not enough. */
export function createConfirm({ db, audit, lockout, secondFactor, passkeys, now }: IdentityParts): Confirm {
  async function isRight(userId: string, proof: Proof, purpose: string): Promise<Confirmation['method']> {
    if ('passkey' in proof) {
      await passkeys.verify(proof.passkey, { userId, purpose });
      return 'passkey';
    }
    const user = await db.selectFrom('users').select('password').where('id', '=', userId).executeTakeFirst();
    if (!(await isPassword(proof.password, user?.password)))
      throw new StewardError('UNAUTHENTICATED', 'The password is wrong.', {
        hint: 'After five wrong ones you have to wait for 15 minutes.',
      });
    if (!(await secondFactor.isOn(userId))) return 'password';
    if (proof.code === undefined)
      throw new StewardError('CONFIRMATION_REQUIRED', 'A code of the authenticator app is needed as well.', {
        hint: 'Send it as proof.code; a recovery code does as well.',
      });
    if (!(await secondFactor.accept(userId, proof.code)))
      throw new StewardError('UNAUTHENTICATED', 'The code is wrong, over, or was used before.', {
        hint: 'Wait for the next one.',
      });
    return 'password';
  }

  const confirm: Identity['confirm'] = async ({ actor, proof, purpose, from }) => {
    const { userId } = personOf(actor);
    const attempt = { person: { id: userId, name: actor.name }, from };
    await lockout.begin(attempt);
    try {
      const method = await isRight(userId, proof, purpose);
      await lockout.succeeded(attempt);
      const detail = { purpose, method };
      await audit.append({ action: 'confirmation.given', actor, outcome: 'allowed', from, detail });
      return { method, purpose, at: now() };
    } catch (thrown) {
      const error = StewardError.from(thrown);
      if (error.code !== 'UNAUTHENTICATED') {
        await lockout.withdrawn(attempt);
        throw error;
      }
      await lockout.failed(attempt, 'passkey' in proof ? 'passkey' : 'confirmation');
      await audit.append({ action: 'confirmation.refused', actor, outcome: 'refused', from, detail: { purpose } });
      throw error;
    }
  };

  return {
    confirm,
    async reassure({ actor, proof, purpose, from }) {
      if (proof !== undefined) return void (await confirm({ actor, proof, purpose, from }));
      const { userId, session } = personOf(actor);
      const user = await db.selectFrom('users').select('password').where('id', '=', userId).executeTakeFirst();
      if (user?.password === null && (await passkeys.list(userId)).length === 0) {
        const since = await db
          .selectFrom('user_sessions')
          .select('created_at')
          .where('id', '=', session)
          .executeTakeFirst();
        if (since && now().getTime() - since.created_at.getTime() <= FRESH_MS) return;
        throw new StewardError('CONFIRMATION_REQUIRED', 'You signed in too long ago for this.', {
          hint: 'Sign out and in again, and do it within ten minutes.',
        });
      }
      throw new StewardError('CONFIRMATION_REQUIRED', 'Show once more that it is you.', {
        hint: 'Send your password, with a code where an authenticator app is enrolled, or use a passkey.',
      });
    },
  };
}
