import { randomInt } from 'node:crypto';
import type { Kysely } from 'kysely';
import { Secret, TOTP } from 'otpauth';
import { encodeQR } from 'qr';
import { StewardError } from '../../core/errors.ts';
import type { Vault } from '../../core/vault.ts';
import { hashSecret } from './secrets.ts';
import type { IdentityTables } from './tables.ts';

const PERIOD_S = 30;
/** Steps before and after that count: clocks differ, and people are slow. */
const WINDOW = 1;
const RECOVERY_CODES = 10;

export interface SecondFactor {
  /** A secret that counts once a code of it was shown; a pending one before it is void. */
  enroll(user: { readonly id: string; readonly name: string }): Promise<{ secret: string; uri: string; qr: string[] }>;
  /** Turns the pending secret on. The recovery codes are in the answer and nowhere else. */
  activate(userId: string, code: string): Promise<string[]>;
  isOn(userId: string): Promise<boolean>;
  /** A code of the authenticator or a recovery code; each is good once. */
  accept(userId: string, code: string): Promise<boolean>;
  renewCodes(userId: string): Promise<string[]>;
  codesLeft(userId: string): Promise<number>;
  remove(userId: string): Promise<void>;
}

/** What the secret of a user is sealed for. */
export const totpContext = (userId: string): string => `totp ${userId}`;

/** One-time codes of an authenticator app. Its secret is sealed: the database alone gives nobody a code. */
export function createSecondFactor({
  db,
  vault,
  now,
}: {
  db: Kysely<IdentityTables>;
  vault: Vault;
  now: () => Date;
}): SecondFactor {
  const row = (userId: string) =>
    db.selectFrom('user_totp').selectAll().where('user_id', '=', userId).executeTakeFirst();

  function authenticator(sealed: { user_id: string; sealed: string }): TOTP {
    const secret = vault.open(sealed.sealed, totpContext(sealed.user_id));
    if (secret !== undefined) return new TOTP({ secret: Secret.fromBase32(secret), period: PERIOD_S });
    throw new StewardError('PRECONDITION_FAILED', 'This node cannot read the secret of your authenticator app.', {
      hint: 'It was enrolled at a node with another key: sign in there, with a recovery code, or with a passkey.',
    });
  }

  /** The step a code belongs to, where it is one that counts. */
  function stepOf(totp: TOTP, code: string): number | undefined {
    const timestamp = now().getTime();
    const delta = /^\d{6}$/.test(code) ? totp.validate({ token: code, window: WINDOW, timestamp }) : null;
    return delta === null ? undefined : Math.floor(timestamp / 1_000 / PERIOD_S) + delta;
  }

  async function newCodes(on: Kysely<IdentityTables>, userId: string): Promise<string[]> {
    const codes = Array.from({ length: RECOVERY_CODES }, newRecoveryCode);
    await on.deleteFrom('user_recovery_codes').where('user_id', '=', userId).execute();
    await on
      .insertInto('user_recovery_codes')
      .values(codes.map((code) => ({ hash: hashOf(userId, code), user_id: userId, created_at: now() })))
      .execute();
    return codes;
  }

  return {
    async enroll({ id, name }) {
      const totp = new TOTP({ issuer: 'Steward', label: name, secret: new Secret({ size: 20 }), period: PERIOD_S });
      const secret = totp.secret.base32;
      const values = {
        key_id: vault.keyId,
        sealed: vault.seal(secret, totpContext(id)),
        created_at: now(),
        confirmed_at: null,
        last_step: null,
      };
      const stored = await db
        .insertInto('user_totp')
        .values({ user_id: id, ...values })
        .onConflict((conflict) =>
          conflict.column('user_id').doUpdateSet(values).where('user_totp.confirmed_at', 'is', null),
        )
        .returning('user_id')
        .executeTakeFirst();
      if (!stored)
        throw new StewardError('CONFLICT', 'An authenticator app is enrolled already.', { hint: 'Remove it first.' });
      const uri = totp.toString();
      const rows = encodeQR(uri, 'raw', { ecc: 'low', border: 4 });
      return { secret, uri, qr: rows.map((row) => row.map((dark) => (dark ? '#' : '.')).join('')) };
    },

    async activate(userId, code) {
      const pending = await row(userId);
      if (!pending || pending.confirmed_at)
        throw new StewardError('PRECONDITION_FAILED', 'No authenticator app waits to be confirmed.', {
          hint: 'Begin with enroll-totp.',
        });
      const step = stepOf(authenticator(pending), code);
      if (step === undefined)
        throw new StewardError('INPUT_INVALID', 'code: it does not belong to this secret, or not to this moment.', {
          problems: [{ path: 'code', message: 'expected the six digits that the app shows now' }],
          hint: 'See whether the clocks of the phone and of this machine are right.',
        });
      return await db.transaction().execute(async (trx) => {
        await trx
          .updateTable('user_totp')
          .set({ confirmed_at: now(), last_step: step })
          .where('user_id', '=', userId)
          .execute();
        return await newCodes(trx, userId);
      });
    },

    isOn: async (userId) => Boolean((await row(userId))?.confirmed_at),

    async accept(userId, code) {
      const text = code.replaceAll(/[\s-]/g, '').toLowerCase();
      if (!/^\d{6}$/.test(text)) {
        const used = await db
          .deleteFrom('user_recovery_codes')
          .where('hash', '=', hashOf(userId, text))
          .where('user_id', '=', userId)
          .returning('hash')
          .executeTakeFirst();
        return used !== undefined;
      }
      const enrolled = await row(userId);
      if (!enrolled?.confirmed_at) return false;
      const step = stepOf(authenticator(enrolled), text);
      if (step === undefined) return false;
      // Whoever watched the code being typed, or typed it at the same instant, does not get in by it.
      const { numUpdatedRows } = await db
        .updateTable('user_totp')
        .set({ last_step: step })
        .where('user_id', '=', userId)
        .where((where) => where.or([where('last_step', 'is', null), where('last_step', '<', step)]))
        .executeTakeFirst();
      return numUpdatedRows === 1n;
    },

    renewCodes: (userId) => db.transaction().execute((trx) => newCodes(trx, userId)),

    async codesLeft(userId) {
      const { count } = await db
        .selectFrom('user_recovery_codes')
        .select(({ fn }) => fn.countAll<number>().as('count'))
        .where('user_id', '=', userId)
        .executeTakeFirstOrThrow();
      return count;
    },

    remove: (userId) => removeSecondFactor(db, userId),
  };
}

export async function removeSecondFactor(db: Kysely<IdentityTables>, userId: string): Promise<void> {
  await db.deleteFrom('user_totp').where('user_id', '=', userId).execute();
  await db.deleteFrom('user_recovery_codes').where('user_id', '=', userId).execute();
}

/** Without what is mistaken for something else when it is read from paper: 0 o, 1 i l. */
const ALPHABET = '23456789abcdefghjkmnpqrstuvwxyz';

/** 16 characters carry 79 bits: enough that their plain hash can be stored. */
function newRecoveryCode(): string {
  const text = Array.from({ length: 16 }, () => ALPHABET[randomInt(ALPHABET.length)]).join('');
  return (text.match(/.{4}/g) ?? []).join('-');
}

function hashOf(userId: string, code: string): string {
  return hashSecret(`recovery ${userId} ${code.replaceAll('-', '')}`);
}
