import { type Answer, tell } from '../api/client.ts';
import { answerWithPasskey, knowsPasskeys } from './passkeys.ts';

export type Account = NonNullable<Answer<'/api/v1/account'>['account']>;

/** That it is really the person. */
export type Proof = { password: string; code?: string } | { passkey: Record<string, unknown> };

export const canUsePasskey = (account: Account | undefined): boolean =>
  account !== undefined && account.passkeys.length > 0 && account.noPasskeys === undefined && knowsPasskeys();

/** Good for that purpose and no other. */
export async function proveByPasskey(purpose: string): Promise<Proof> {
  const { options } = await tell('/api/v1/challenge-passkey', { body: { purpose } });
  return { passkey: await answerWithPasskey(options) };
}
