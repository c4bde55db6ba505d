import {
  generateAuthenticationOptions,
  generateRegistrationOptions,
  type AuthenticationResponseJSON,
  type RegistrationResponseJSON,
  verifyAuthenticationResponse,
  verifyRegistrationResponse,
} from '@simplewebauthn/server';
import type { Kysely } from 'kysely';
import { StewardError } from '../../core/errors.ts';
import type { JsonObject } from '../../core/json.ts';
import type { RelyingParty } from './relying-party.ts';
import { hashSecret, randomText } from './secrets.ts';
import type { IdentityTables } from './tables.ts';

const CHALLENGE_MS = 5 * 60_000;
const PASSKEYS_EACH = 20;
/** EdDSA, ES256, RS256: what authenticators have. */
const ALGORITHMS = [-8, -7, -257];
const SIGN_IN = 'sign-in';
const REGISTER = 'register';

export interface Passkey {
  readonly id: string;
  readonly name: string;
  readonly place: string;
  readonly createdAt: Date;
  readonly lastUsedAt: Date | null;
}

/** Who answered a challenge, and with what. */
interface Answer {
  readonly userId: string;
  readonly passkey: string;
}

export interface Passkeys {
  /** What the browser needs to make one. */
  offer(user: { readonly id: string; readonly name: string }, party: RelyingParty): Promise<JsonObject>;
  add(userId: string, name: string, response: unknown): Promise<Passkey>;
  /** What the browser needs to answer, once, within five minutes; for nobody in particular where somebody signs in. */
  challenge(party: RelyingParty, about?: { readonly userId: string; readonly purpose: string }): Promise<JsonObject>;
  /** UNAUTHENTICATED unless the answer is to a challenge made for exactly this person and this purpose. */
  verify(response: unknown, about?: { readonly userId: string; readonly purpose: string }): Promise<Answer>;
  list(userId: string): Promise<Passkey[]>;
  /** Whether anybody has one for this host name. */
  anyFor(rpId: string): Promise<boolean>;
  remove(userId: string, id: string): Promise<boolean>;
  prune(): Promise<void>;
}

/** Passkeys: the browser signs a challenge with a key that never leaves the device, after it saw who uses it. */
export function createPasskeys({ db, now }: { db: Kysely<IdentityTables>; now: () => Date }): Passkeys {
  async function remember(
    { id: rpId, origin }: RelyingParty,
    userId: string | undefined,
    purpose: string,
  ): Promise<string> {
    const challenge = randomText(43);
    await db
      .insertInto('passkey_challenges')
      .values({
        hash: hashSecret(encoded(challenge)),
        user_id: userId ?? null,
        purpose,
        rp_id: rpId,
        origin,
        expires_at: new Date(now().getTime() + CHALLENGE_MS),
      })
      .execute();
    return challenge;
  }

  /** Uses the challenge up, whether or not the answer to it is right. */
  async function take(response: unknown, userId: string | undefined, purpose: string) {
    const challenge = challengeIn(response);
    const row =
      challenge === undefined
        ? undefined
        : await db
            .deleteFrom('passkey_challenges')
            .where('hash', '=', hashSecret(challenge))
            .returningAll()
            .executeTakeFirst();
    if (challenge === undefined || !row || row.expires_at <= now()) throw refused('the challenge is unknown or over');
    if (row.purpose !== purpose || row.user_id !== (userId ?? null))
      throw refused('the challenge was made for something else');
    return { challenge, rpId: row.rp_id, origin: row.origin };
  }

  const owned = (userId: string) =>
    db.selectFrom('user_passkeys').selectAll().where('user_id', '=', userId).orderBy('created_at').execute();

  return {
    async offer({ id, name }, party) {
      const known = await owned(id);
      if (known.length >= PASSKEYS_EACH)
        throw new StewardError('PRECONDITION_FAILED', `There are ${PASSKEYS_EACH} passkeys already.`, {
          hint: 'Remove one that you do not use.',
        });
      const options = await generateRegistrationOptions({
        rpName: 'Steward',
        rpID: party.id,
        userName: name,
        userID: new TextEncoder().encode(id),
        challenge: await remember(party, id, REGISTER),
        excludeCredentials: known
          .filter(({ rp_id }) => rp_id === party.id)
          .map((passkey) => ({ id: passkey.id, transports: transportsOf(passkey) })),
        supportedAlgorithmIDs: ALGORITHMS,
        authenticatorSelection: { residentKey: 'required', userVerification: 'required' },
      });
      return plain(options);
    },

    async add(userId, name, response) {
      const { challenge, rpId, origin } = await take(response, userId, REGISTER);
      const { verified, registrationInfo } = await checked(() =>
        verifyRegistrationResponse({
          response: response as RegistrationResponseJSON,
          expectedChallenge: challenge,
          expectedOrigin: origin,
          expectedRPID: rpId,
          requireUserVerification: true,
          supportedAlgorithmIDs: ALGORITHMS,
        }),
      );
      if (!verified) throw refused('the answer does not belong to the challenge');
      const { credential, credentialBackedUp } = registrationInfo;
      const row = {
        id: credential.id,
        user_id: userId,
        name,
        public_key: Buffer.from(credential.publicKey).toString('base64url'),
        counter: credential.counter,
        transports: JSON.stringify(credential.transports ?? []),
        rp_id: rpId,
        backed_up: credentialBackedUp,
        created_at: now(),
        last_used_at: null,
      };
      const added = await db
        .insertInto('user_passkeys')
        .values(row)
        .onConflict((conflict) => conflict.doNothing())
        .returning('id')
        .executeTakeFirst();
      if (!added) throw new StewardError('CONFLICT', 'This passkey is enrolled already.');
      return shown(row);
    },

    async challenge(party, about) {
      const known = about === undefined ? [] : await owned(about.userId);
      const usable = known.filter(({ rp_id }) => rp_id === party.id);
      if (about !== undefined && usable.length === 0)
        throw new StewardError('PRECONDITION_FAILED', `You have no passkey for ${party.id}.`, {
          hint:
            known.length > 0
              ? `Yours are for ${[...new Set(known.map(({ rp_id }) => rp_id))].join(', ')}. The password works as well.`
              : 'Add one in your account, or use the password.',
        });
      const options = await generateAuthenticationOptions({
        rpID: party.id,
        challenge: await remember(party, about?.userId, about?.purpose ?? SIGN_IN),
        allowCredentials: usable.map((passkey) => ({ id: passkey.id, transports: transportsOf(passkey) })),
        userVerification: 'required',
      });
      return plain(options);
    },

    async verify(response, about) {
      const { challenge, rpId, origin } = await take(response, about?.userId, about?.purpose ?? SIGN_IN);
      const { id } = response as { id?: unknown };
      const passkey =
        typeof id === 'string'
          ? await db
              .selectFrom('user_passkeys')
              .selectAll()
              .where('id', '=', id)
              .where('rp_id', '=', rpId)
              .executeTakeFirst()
          : undefined;
      if (!passkey || (about !== undefined && passkey.user_id !== about.userId)) throw refused('it is not enrolled');
      const { verified, authenticationInfo } = await checked(() =>
        verifyAuthenticationResponse({
          response: response as AuthenticationResponseJSON,
          expectedChallenge: challenge,
          expectedOrigin: origin,
          expectedRPID: rpId,
          credential: {
            id: passkey.id,
            publicKey: new Uint8Array(Buffer.from(passkey.public_key, 'base64url')),
            counter: passkey.counter,
          },
          requireUserVerification: true,
        }),
      );
      if (!verified) throw refused('the signature is wrong');
      await db
        .updateTable('user_passkeys')
        .set({ counter: authenticationInfo.newCounter, last_used_at: now() })
        .where('id', '=', passkey.id)
        .execute();
      return { userId: passkey.user_id, passkey: passkey.id };
    },

    list: async (userId) => (await owned(userId)).map(shown),

    async anyFor(rpId) {
      return Boolean(
        await db.selectFrom('user_passkeys').select('id').where('rp_id', '=', rpId).limit(1).executeTakeFirst(),
      );
    },

    async remove(userId, id) {
      const { numDeletedRows } = await db
        .deleteFrom('user_passkeys')
        .where('id', '=', id)
        .where('user_id', '=', userId)
        .executeTakeFirst();
      return numDeletedRows === 1n;
    },

    async prune() {
      await db.deleteFrom('passkey_challenges').where('expires_at', '<', now()).execute();
    },
  };
}

/** As JSON carries it: members that are undefined are none. */
const plain = (options: unknown): JsonObject => JSON.parse(JSON.stringify(options)) as JsonObject;

const encoded = (challenge: string): string => Buffer.from(challenge, 'utf8').toString('base64url');

/** The challenge that the browser says it signed; whether it did is checked after it was looked up. */
function challengeIn(response: unknown): string | undefined {
  const { clientDataJSON } = (response as { response?: { clientDataJSON?: unknown } } | null)?.response ?? {};
  if (typeof clientDataJSON !== 'string') return undefined;
  try {
    const { challenge } = JSON.parse(Buffer.from(clientDataJSON, 'base64url').toString('utf8')) as {
      challenge?: unknown;
    };
    return typeof challenge === 'string' ? challenge : undefined;
  } catch {
    return undefined;
  }
}

/** The library says with any error of its own that something about an answer is not right. */
async function checked<T>(verify: () => Promise<T>): Promise<T> {
  try {
    return await verify();
  } catch (cause) {
    throw refused((cause as Error).message, cause);
  }
}

function refused(why: string, cause?: unknown): StewardError {
  return new StewardError('UNAUTHENTICATED', `The passkey was refused: ${why.slice(0, 200)}.`, {
    hint: 'Try again; a challenge is good once and for five minutes.',
    cause,
  });
}

function transportsOf({ transports }: { transports: unknown }): string[] {
  return (typeof transports === 'string' ? JSON.parse(transports) : transports) as string[];
}

function shown(row: { id: string; name: string; rp_id: string; created_at: Date; last_used_at: Date | null }): Passkey {
  return { id: row.id, name: row.name, place: row.rp_id, createdAt: row.created_at, lastUsedAt: row.last_used_at };
}
