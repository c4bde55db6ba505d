import type { Actor } from '../core/actor.ts';
import { StewardError } from '../core/errors.ts';
import type { Confirmation, Proof } from '../core/identity.ts';
import type { EngineDeps } from './engine-deps.ts';

/** That a person was there for this purpose. CONFIRMATION_REQUIRED where nothing shows it. */
export async function confirmed(
  confirm: EngineDeps['confirm'],
  { proof, ...request }: { actor: Actor; proof: Proof | undefined; purpose: string; from: string },
): Promise<Confirmation> {
  if (proof === undefined)
    throw new StewardError('CONFIRMATION_REQUIRED', 'Show once more that it is you.', {
      hint: 'Send your password, with a code where an authenticator app is enrolled, or use a passkey.',
    });
  if (confirm) return await confirm({ ...request, proof });
  throw new StewardError('UNAVAILABLE', 'Nobody can be asked for a password here.', {
    hint: 'Do it where people sign in to this Steward.',
  });
}
