import { dirname, join } from 'node:path';
import { StewardError } from '../../core/errors.ts';
import type { Identity } from '../../core/identity.ts';
import type { System } from '../../core/system.ts';
import { createConfirm } from './confirm.ts';
import type { IdentityDeps, IdentityParts } from './deps.ts';
import { createLocalCredential, localAgent, localCli } from './local-credential.ts';
import type { Elsewhere } from './elsewhere.ts';
import { createJwtBearer } from './jwt.ts';
import { createLockout } from './lockout.ts';
import { identityOperations } from './operations.ts';
import { createPasskeys } from './passkeys.ts';
import { whyNoPasskeys } from './relying-party.ts';
import { tokenId } from './secrets.ts';
import { actorOfSession, closeSession, openSession, pruneSessions } from './sessions.ts';
import { createProvider } from './provider.ts';
import { createProviderSignIn } from './provider-sign-in.ts';
import { createSenders } from './senders.ts';
import { createSetupLink } from './setup-link.ts';
import { createSignIn, stranger } from './sign-in.ts';
import type { IdentityTables } from './tables.ts';
import { lookUpToken, type Presented, pruneTokens } from './tokens.ts';
import { createSecondFactor } from './totp.ts';

export type { IdentityDeps } from './deps.ts';

export interface IdentitySystem extends System, Identity {
  /** The one-time link, to be printed once the address is known; undefined where somebody can sign in. */
  setupLink(baseUrl: string): Promise<string | undefined>;
}

export function createIdentity(deps: IdentityDeps): IdentitySystem {
  const { store, audit, vault, node, now } = deps;
  const db = store.db.withTables<IdentityTables>();
  const lockout = createLockout({ store, node, now });
  const setup = createSetupLink({ store, file: deps.setupLinkFile, node, now });
  const locals = [
    createLocalCredential({ file: deps.cliTokenFile, holder: localCli(deps.osUser) }),
    createLocalCredential({ file: join(dirname(deps.cliTokenFile), 'agent-token'), holder: localAgent(deps.osUser) }),
  ];
  const senders = createSenders(now);
  const secondFactor = createSecondFactor({ db, vault, now });
  const passkeys = createPasskeys({ db, now });
  const parts: IdentityParts = { db, audit, lockout, secondFactor, passkeys, now };
  const signIn = createSignIn(parts);
  const elsewhere = deps.elsewhere ?? NOWHERE;
  const provider = createProvider(elsewhere, vault, now);
  const jwtBearer = createJwtBearer(elsewhere, now);
  const { endUrl, ...providerSignIn } = createProviderSignIn(parts, { provider, vault, log: elsewhere.log });
  const confirm = createConfirm(parts);

  async function present(bearer: string, from: string): Promise<Presented> {
    const id = tokenId(bearer);
    if (id === undefined) return (await jwtBearer(bearer)) ?? { actor: undefined, wrong: 'unknown' };
    const local = locals.find((each) => each.id === id);
    if (!local) return await lookUpToken(db, id, bearer, { from, now: now() });
    const actor = local.actor(bearer);
    return actor ? { actor } : { actor: undefined, wrong: 'unknown' };
  }

  async function presentSession(session: string): Promise<Presented> {
    const actor = await actorOfSession(db, session, now());
    return actor ? { actor } : { actor: undefined, wrong: 'unknown' };
  }

  async function refuse(from: string, what: string, { wrong, was }: Extract<Presented, { actor: undefined }>) {
    const { record, lockedOut } = senders.bad(from);
    const actor = was ?? stranger(`unknown ${what}`);
    if (lockedOut) {
      await lockout.lockedOut(`credentials:${from}`, from);
      await audit.append({ action: 'login.locked-out', actor: stranger(`unknown ${what}`), outcome: 'refused', from });
    }
    // A page left open over night is no attack.
    if (!record || what === 'session') return;
    await lockout.failed({ from, ...(was && { name: was.name }) }, what);
    await audit.append({
      action: 'access.refused',
      actor,
      outcome: 'refused',
      from,
      reason: `${wrong} ${what}`,
      detail: { credential: wrong },
    });
  }

  return {
    name: 'identity',
    operations: identityOperations(parts, confirm),
    jobs: [
      {
        name: 'identity-upkeep',
        summary:
          'Forgets sessions that ended, failed sign-ins of yesterday, challenges nobody answered, and tokens that ended a year ago.',
        schedule: { every: '1h' },
        async run(context) {
          await pruneSessions(db, context.now);
          await pruneTokens(db, context.now);
          await lockout.prune();
          await passkeys.prune();
        },
      },
    ],
    async start() {
      for (const local of locals) await local.issue();
    },
    async stop() {
      for (const local of locals) await local.withdraw();
    },

    async authenticate({ bearer, session, from }) {
      const credential = bearer ?? session;
      if (credential === undefined) {
        if (senders.mayAsk(from)) return undefined;
        throw tooMany('Too many requests without a credential from this address.');
      }
      if (!senders.mayTry(from, credential)) throw tooMany('Too many refused credentials from this address.');
      const presented: Presented =
        bearer === undefined ? await presentSession(credential) : await present(credential, from);
      if (presented.actor) {
        senders.good(credential);
        return presented.actor;
      }
      await refuse(from, bearer === undefined ? 'session' : 'token', presented);
      if (bearer === undefined)
        throw new StewardError('UNAUTHENTICATED', 'The session has ended.', { hint: 'Sign in again.' });
      throw new StewardError('UNAUTHENTICATED', 'The token is unknown, expired or revoked.', {
        hint: 'Create another: steward token create --role ROLE --name NAME',
      });
    },

    ...signIn,
    ...providerSignIn,

    async waysIn({ origin }) {
      const { hostname } = new URL(origin);
      const passkey = whyNoPasskeys(origin) === undefined && (await passkeys.anyFor(hostname));
      return { setUpPending: await setup.pending(), passkey, provider: provider.name() };
    },

    confirm: confirm.confirm,

    async logout(session, { origin }) {
      const actor = await actorOfSession(db, session, now());
      const sealedIdToken = await closeSession(db, session);
      if (actor) await audit.append({ action: 'login.ended', actor, outcome: 'succeeded', from: 'session' });
      return { redirect: sealedIdToken === undefined ? undefined : await endUrl(sealedIdToken, origin) };
    },

    setUpPending: () => setup.pending(),
    setupLink: (baseUrl) => setup.ensure(baseUrl),

    async setUp({ token, name, password, from, userAgent }) {
      const attempt = { from };
      await lockout.begin(attempt);
      try {
        const user = await setup.use({ token, name, password });
        const signedIn = await openSession(db, user, { from, userAgent, now: now() });
        await lockout.succeeded(attempt);
        await audit.append({ action: 'setup.completed', actor: signedIn.actor, outcome: 'succeeded', from });
        return signedIn;
      } catch (thrown) {
        const refused = StewardError.from(thrown);
        // A password too short is no attack.
        if (refused.code !== 'UNAUTHENTICATED') {
          await lockout.succeeded(attempt);
          throw refused;
        }
        await lockout.failed(attempt, 'set-up link');
        await audit.append({ action: 'setup.refused', actor: stranger(name), outcome: 'refused', from });
        throw refused;
      }
    },
  };
}

const NOWHERE: Elsewhere = {
  settings: () => ({}),
  secrets: () => Promise.reject(new StewardError('NOT_FOUND', 'No secrets here.')),
  requests: { request: () => Promise.reject(new StewardError('UNAVAILABLE', 'No way out.')) },
  log: { debug() {}, info() {}, warn() {}, error() {} },
};

function tooMany(message: string): StewardError {
  return new StewardError('RATE_LIMITED', message, { hint: 'Try again in a minute.', retryAfterMs: 60_000 });
}
