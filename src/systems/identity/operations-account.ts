import { z } from 'zod';
import { Role } from '../../core/actor.ts';
import { StewardError } from '../../core/errors.ts';
import { Proof } from '../../core/identity.ts';
import { type AnyOperation, defineCommand, defineQuery, NoInput } from '../../core/operation.ts';
import { secretInput } from '../../core/secret-input.ts';
import { Password } from './accounts.ts';
import type { Confirm } from './confirm.ts';
import type { IdentityParts } from './deps.ts';
import { personOf } from './grants.ts';
import { orAbsent } from './or-absent.ts';
import { relyingPartyOf, whyNoPasskeys } from './relying-party.ts';
import { hashPassword } from './secrets.ts';

const Passkey = z.object({
  id: z.string(),
  name: z.string(),
  place: z.string().describe('The host name that it works at.'),
  createdAt: z.coerce.date(),
  lastUsedAt: z.coerce.date().optional(),
});

const Account = z.object({
  id: z.string(),
  name: z.string(),
  role: Role,
  password: z.boolean().describe('Whether there is a password here; otherwise an identity provider vouches.'),
  authenticator: z.boolean().describe('Whether a code of an authenticator app is asked for.'),
  recoveryCodes: z.number().int().describe('How many are left.'),
  passkeys: z.array(Passkey),
  noPasskeys: z.string().optional().describe('Why passkeys cannot be used at this address.'),
});

const proof = Proof.optional().describe(
  'The password, with a code where an authenticator app is enrolled, or a passkey.',
);
const Codes = z.object({ recoveryCodes: z.array(z.string()).describe('Each works once. Shown once.') });
const BrowserData = z.record(z.string(), z.json());

/** What a person does about their own account, each on their own proof. */
export function accountOperations(parts: IdentityParts, { reassure }: Confirm): readonly AnyOperation[] {
  const { db, secondFactor, passkeys } = parts;
  const own = { permission: 'read', personOnly: true } as const;

  return [
    defineQuery({
      name: 'account',
      title: 'Your account',
      summary: 'How you sign in: password, authenticator app, passkeys.',
      permission: 'read',
      cli: ['account', 'show'],
      input: NoInput,
      output: z.object({ account: Account.optional() }),
      async handle(_input, { actor, origin }) {
        if (actor.kind !== 'user') return {};
        const user = await db.selectFrom('users').selectAll().where('id', '=', actor.id).executeTakeFirst();
        if (!user) return {};
        const found = await passkeys.list(user.id);
        return {
          account: {
            id: user.id,
            name: user.name,
            role: user.role,
            password: user.password !== null,
            authenticator: await secondFactor.isOn(user.id),
            recoveryCodes: await secondFactor.codesLeft(user.id),
            passkeys: found.map(({ lastUsedAt, ...rest }) => ({ ...rest, lastUsedAt: orAbsent(lastUsedAt) })),
            noPasskeys: whyNoPasskeys(origin),
          },
        };
      },
    }),
    defineCommand({
      ...own,
      name: 'change-password',
      title: 'Change your password',
      summary: 'Gives you another password, and signs you out everywhere else.',
      cli: ['account', 'password'],
      input: z.object({ password: Password, proof }),
      output: z.object({ sessionsEnded: z.number().int() }),
      async handle({ password, proof }, { actor, from }) {
        const { userId, session } = personOf(actor);
        const user = await db.selectFrom('users').select('password').where('id', '=', userId).executeTakeFirst();
        if (user?.password === null)
          throw new StewardError('PRECONDITION_FAILED', 'Your password is with your identity provider.', {
            hint: 'Change it there.',
          });
        await reassure({ actor, proof, purpose: `change-password:${userId}`, from });
        const hash = await hashPassword(password);
        return await db.transaction().execute(async (trx) => {
          await trx.updateTable('users').set({ password: hash }).where('id', '=', userId).execute();
          const { numDeletedRows } = await trx
            .deleteFrom('user_sessions')
            .where('user_id', '=', userId)
            .where('id', '!=', session)
            .executeTakeFirst();
          return { sessionsEnded: Number(numDeletedRows) };
        });
      },
    }),
    defineCommand({
      ...own,
      name: 'enroll-authenticator',
      title: 'Enroll an authenticator app',
      summary: 'Makes the secret of an authenticator app. It counts once a code of it was confirmed.',
      cli: ['account', 'authenticator', 'enroll'],
      input: z.object({ proof }),
      output: z.object({
        secret: z.string().describe('To be typed in.'),
        uri: z.string().describe('otpauth://'),
        qr: z.array(z.string()).describe('The QR code of the URI, row by row with its margin; # is dark.'),
      }),
      async handle({ proof }, { actor, from }) {
        const { userId } = personOf(actor);
        await reassure({ actor, proof, purpose: `enroll-authenticator:${userId}`, from });
        return await secondFactor.enroll({ id: userId, name: actor.name });
      },
    }),
    defineCommand({
      ...own,
      name: 'confirm-authenticator',
      title: 'Confirm the authenticator app',
      summary: 'Turns the authenticator app on, and gives ten recovery codes, shown once.',
      cli: ['account', 'authenticator', 'confirm'],
      input: z.object({ code: secretInput(z.string().max(20).describe('The six digits that the app shows.')) }),
      output: Codes,
      async handle({ code }, { actor }) {
        return { recoveryCodes: await secondFactor.activate(personOf(actor).userId, code.replaceAll(/\s/g, '')) };
      },
    }),
    defineCommand({
      ...own,
      name: 'renew-recovery-codes',
      title: 'Renew the recovery codes',
      summary: 'Gives ten new recovery codes; the old ones are void.',
      cli: ['account', 'authenticator', 'codes'],
      input: z.object({ proof }),
      output: Codes,
      async handle({ proof }, { actor, from }) {
        const { userId } = personOf(actor);
        if (!(await secondFactor.isOn(userId)))
          throw new StewardError('PRECONDITION_FAILED', 'No authenticator app is enrolled.');
        await reassure({ actor, proof, purpose: `renew-recovery-codes:${userId}`, from });
        return { recoveryCodes: await secondFactor.renewCodes(userId) };
      },
    }),
    defineCommand({
      ...own,
      name: 'remove-authenticator',
      title: 'Remove the authenticator app',
      summary: 'Ends the codes at sign-in, and voids the recovery codes.',
      cli: ['account', 'authenticator', 'remove'],
      input: z.object({ proof }),
      output: z.object({ removed: z.boolean() }),
      async handle({ proof }, { actor, from }) {
        const { userId } = personOf(actor);
        const removed = await secondFactor.isOn(userId);
        if (removed) await reassure({ actor, proof, purpose: `remove-authenticator:${userId}`, from });
        await secondFactor.remove(userId);
        return { removed };
      },
    }),
    defineCommand({
      ...own,
      name: 'challenge-passkey',
      title: 'Ask for a passkey',
      summary: 'Gives a challenge for one of your passkeys to answer, once, within five minutes, for one purpose.',
      cli: ['account', 'passkey', 'challenge'],
      input: z.object({
        purpose: z.string().min(1).max(300).describe('What the answer confirms: approve:<run>:<hash of the plan>.'),
      }),
      output: z.object({ options: BrowserData }),
      async handle({ purpose }, { actor, origin }) {
        const { userId } = personOf(actor);
        return { options: (await passkeys.challenge(relyingPartyOf(origin), { userId, purpose })) as never };
      },
    }),
    defineCommand({
      ...own,
      name: 'offer-passkey',
      title: 'Begin to add a passkey',
      summary: 'Gives what the browser needs to make a passkey for you.',
      cli: ['account', 'passkey', 'offer'],
      input: z.object({ proof }),
      output: z.object({ options: BrowserData }),
      async handle({ proof }, { actor, from, origin }) {
        const { userId } = personOf(actor);
        const party = relyingPartyOf(origin);
        await reassure({ actor, proof, purpose: `add-passkey:${userId}`, from });
        return { options: (await passkeys.offer({ id: userId, name: actor.name }, party)) as never };
      },
    }),
    defineCommand({
      ...own,
      name: 'add-passkey',
      title: 'Add a passkey',
      summary: 'Enrolls the passkey that the browser made; it signs you in and confirms what you approve.',
      cli: ['account', 'passkey', 'add'],
      input: z.object({
        name: z.string().trim().min(1).max(60).describe('What you call it.'),
        response: secretInput(BrowserData.describe("The browser's answer to what offer-passkey gave.")),
      }),
      output: Passkey,
      async handle({ name, response }, { actor }) {
        const { lastUsedAt: _never, ...added } = await passkeys.add(personOf(actor).userId, name, response);
        return added;
      },
    }),
    defineCommand({
      ...own,
      name: 'remove-passkey',
      title: 'Remove a passkey',
      summary: 'Ends a passkey of yours.',
      cli: ['account', 'passkey', 'remove'],
      cliArguments: ['id'],
      input: z.object({ id: z.string().min(1).max(1_000).describe('Its id, as in your account.'), proof }),
      output: z.object({ id: z.string() }),
      async handle({ id, proof }, { actor, from }) {
        const { userId } = personOf(actor);
        await reassure({ actor, proof, purpose: `remove-passkey:${userId}`, from });
        if (await passkeys.remove(userId, id)) return { id };
        throw new StewardError('NOT_FOUND', 'You have no such passkey.', { hint: 'See steward account show.' });
      },
    }),
  ];
}
