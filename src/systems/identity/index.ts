import { dirname, join } from 'node:path';
import type { Actor } from '../../core/actor.ts';
import { StewardError } from '../../core/errors.ts';
import type { Identity } from '../../core/identity.ts';
import type { System } from '../../core/system.ts';
import { createBadBearers } from './bad-bearers.ts';
import { createConfirm } from './confirm.ts';
import type { IdentityDeps, IdentityParts } from './deps.ts';
import { createLocalCredential, localAgent, localCli } from './local-credential.ts';
import { createLockout } from './lockout.ts';
import { identityOperations } from './operations.ts';
import { createPasskeys } from './passkeys.ts';
import { whyNoPasskeys } from './relying-party.ts';
import { tokenId } from './secrets.ts';
import { actorOfSession, closeSession, openSession, pruneSessions } from './sessions.ts';
import { createSetupLink } from './setup-link.ts';
import { createSignIn, stranger } from './sign-in.ts';
import type { IdentityTables } from './tables.ts';
import { actorOfToken, pruneTokens } from './tokens.ts';
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
  const badBearers = createBadBearers(now);
  const secondFactor = createSecondFactor({ db, vault, now });
  const passkeys = createPasskeys({ db, now });
  const parts: IdentityParts = { db, audit, lockout, secondFactor, passkeys, now };
  const signIn = createSignIn(parts);
  const confirm = createConfirm(parts);

  async function actorOfBearer(bearer: string, from: string): Promise<Actor | undefined> {
    const id = tokenId(bearer);
    if (id === undefined) return undefined;
    const local = locals.find((each) => each.id === id);
    if (local) return local.actor(bearer);
    return await actorOfToken(db, id, bearer, { from, now: now() });
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
      if (bearer === undefined) {
        if (session === undefined) return undefined;
        const actor = await actorOfSession(db, session, now());
        if (!actor) throw new StewardError('UNAUTHENTICATED', 'The session has ended.', { hint: 'Sign in again.' });
        return actor;
      }
      const actor = await actorOfBearer(bearer, from);
      if (actor) return actor;
      if (badBearers.count(from) === 'record') {
        await lockout.failed({ from }, 'token');
        await audit.append({
          action: 'access.refused',
          actor: stranger('unknown token'),
          outcome: 'refused',
          from,
          reason: 'unknown, expired or revoked token',
        });
      }
      throw new StewardError('UNAUTHENTICATED', 'The token is unknown, expired or revoked.', {
        hint: 'Create another: steward token create --role ROLE --name NAME',
      });
    },

    ...signIn,

    async waysIn({ origin }) {
      const { hostname } = new URL(origin);
      const passkey = whyNoPasskeys(origin) === undefined && (await passkeys.anyFor(hostname));
      return { setUpPending: await setup.pending(), passkey };
    },

    confirm: confirm.confirm,

    async logout(session) {
      const actor = await actorOfSession(db, session, now());
      await closeSession(db, session);
      if (actor) await audit.append({ action: 'login.ended', actor, outcome: 'succeeded', from: 'session' });
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
