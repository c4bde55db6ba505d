import { dirname, join } from 'node:path';
import { sql } from 'kysely';
import type { Actor } from '../../core/actor.ts';
import type { AuditLog } from '../../core/audit.ts';
import { StewardError } from '../../core/errors.ts';
import type { Identity } from '../../core/identity.ts';
import type { System } from '../../core/system.ts';
import type { Store } from '../../store/store.ts';
import { createBadBearers } from './bad-bearers.ts';
import { createLocalCredential, localAgent, localCli } from './local-credential.ts';
import { createLockout } from './lockout.ts';
import { identityOperations } from './operations.ts';
import { isPassword, tokenId } from './secrets.ts';
import { actorOfSession, closeSession, openSession, pruneSessions } from './sessions.ts';
import { createSetupLink } from './setup-link.ts';
import type { IdentityTables } from './tables.ts';
import { actorOfToken, pruneTokens } from './tokens.ts';

export interface IdentityDeps {
  readonly store: Store;
  readonly audit: AuditLog;
  /** `$home/setup-link`. */
  readonly setupLinkFile: string;
  /** `$home/cli-token`; `agent-token` stands beside it. */
  readonly cliTokenFile: string;
  /** The system user who runs Steward; the CLI on this machine acts under this name. */
  readonly osUser: string;
  readonly node: string;
  readonly now: () => Date;
}

export interface IdentitySystem extends System, Identity {
  /** The one-time link, to be printed once the address is known; undefined where somebody can sign in. */
  setupLink(baseUrl: string): Promise<string | undefined>;
}

export function createIdentity({
  store,
  audit,
  setupLinkFile,
  cliTokenFile,
  osUser,
  node,
  now,
}: IdentityDeps): IdentitySystem {
  const db = store.db.withTables<IdentityTables>();
  const lockout = createLockout({ store, node, now });
  const setup = createSetupLink({ store, file: setupLinkFile, node, now });
  const locals = [
    createLocalCredential({ file: cliTokenFile, holder: localCli(osUser) }),
    createLocalCredential({ file: join(dirname(cliTokenFile), 'agent-token'), holder: localAgent(osUser) }),
  ];
  const badBearers = createBadBearers(now);

  const stranger = (name: string): Actor => ({ kind: 'user', id: 'unknown', name: name.slice(0, 100), role: 'viewer' });

  async function actorOfBearer(bearer: string, from: string): Promise<Actor | undefined> {
    const id = tokenId(bearer);
    if (id === undefined) return undefined;
    const local = locals.find((each) => each.id === id);
    if (local) return local.actor(bearer);
    return await actorOfToken(db, id, bearer, { from, now: now() });
  }

  return {
    name: 'identity',
    operations: identityOperations(db),
    jobs: [
      {
        name: 'identity-upkeep',
        summary: 'Forgets sessions that ended, failed sign-ins of yesterday, and tokens that ended a year ago.',
        schedule: { every: '1h' },
        async run(context) {
          await pruneSessions(db, context.now);
          await pruneTokens(db, context.now);
          await lockout.prune();
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

    async login({ name, password, from, userAgent }) {
      const attempt = { name, from };
      try {
        await lockout.begin(attempt);
      } catch (thrown) {
        await audit.append({ action: 'login.locked-out', actor: stranger(name), outcome: 'refused', from });
        throw thrown;
      }
      const user = await db
        .selectFrom('users')
        .selectAll()
        .where(sql<boolean>`lower(name) = lower(${name})`)
        .executeTakeFirst();
      const right = await isPassword(password, user?.password);
      if (!user || !right || user.disabled_at) {
        await lockout.failed(attempt, 'password');
        await audit.append({ action: 'login.refused', actor: stranger(name), outcome: 'refused', from });
        throw new StewardError('UNAUTHENTICATED', 'Name or password is wrong.', {
          hint: 'After five wrong passwords the name is locked for 15 minutes.',
        });
      }
      const signedIn = await openSession(db, user, { from, userAgent, now: now() });
      await lockout.succeeded(attempt);
      await audit.append({ action: 'login.succeeded', actor: signedIn.actor, outcome: 'succeeded', from });
      return signedIn;
    },

    async confirm({ actor, proof, purpose, from }) {
      if (actor.kind !== 'user' || actor.session === undefined)
        throw new StewardError('FORBIDDEN', 'Only a person who signed in can confirm.', {
          hint: 'Sign in on the page of this Steward and do it there.',
        });
      if (!('password' in proof))
        throw new StewardError('UNAUTHENTICATED', 'No passkey is enrolled.', { hint: 'Confirm with the password.' });
      const attempt = { name: actor.name, from };
      await lockout.begin(attempt);
      const user = await db.selectFrom('users').selectAll().where('id', '=', actor.id).executeTakeFirst();
      if (!(await isPassword(proof.password, user?.password))) {
        await lockout.failed(attempt, 'password');
        await audit.append({ action: 'confirmation.refused', actor, outcome: 'refused', from, detail: { purpose } });
        throw new StewardError('UNAUTHENTICATED', 'The password is wrong.');
      }
      await lockout.succeeded(attempt);
      await audit.append({ action: 'confirmation.given', actor, outcome: 'allowed', from, detail: { purpose } });
      return { method: 'password', purpose, at: now() };
    },

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
