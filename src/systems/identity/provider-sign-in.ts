import { sql, type Transaction } from 'kysely';
import type { Role } from '../../core/actor.ts';
import { StewardError } from '../../core/errors.ts';
import type { Identity, SignInProblem } from '../../core/identity.ts';
import type { Log } from '../../core/log.ts';
import type { Vault } from '../../core/vault.ts';
import { insertUser, UserName, type UserRow } from './accounts.ts';
import type { IdentityParts } from './deps.ts';
import { type Claims, type OidcSettings, roleOf } from './elsewhere.ts';
import type { Provider } from './provider.ts';
import { openSession } from './sessions.ts';
import { stranger } from './sign-in.ts';
import type { IdentityTables } from './tables.ts';

const ID_TOKEN = 'id token of a session';

/** Lets in whom the identity provider vouches for, as the account that its issuer and subject name, with the role of this moment's claims. */
export function createProviderSignIn(
  { db, audit, lockout, now }: IdentityParts,
  { provider, vault, log }: { readonly provider: Provider; readonly vault: Vault; readonly log: Log },
): Pick<Identity, 'beginProvider' | 'finishProvider'> & {
  endUrl(sealedIdToken: string, origin: string): Promise<string | undefined>;
} {
  async function account(
    trx: Transaction<IdentityTables>,
    claims: Claims,
    role: Role,
    { issuer }: OidcSettings,
  ): Promise<UserRow> {
    // Two who come for the first time at once must not be made twice.
    await sql`lock table user_links in share row exclusive mode`.execute(trx);
    const subject = String(claims['sub']);
    const known = await trx
      .selectFrom('user_links')
      .innerJoin('users', 'users.id', 'user_links.user_id')
      .selectAll('users')
      .where('issuer', '=', issuer)
      .where('subject', '=', subject)
      .executeTakeFirst();
    if (!known) {
      const name = await freeName(trx, claims, issuer);
      const { user } = await insertUser(trx, { name, role, password: null, createdBy: issuer, now: now() });
      await trx.insertInto('user_links').values({ issuer, subject, user_id: user.id, created_at: now() }).execute();
      return user;
    }
    if (known.role === role) return known;
    await trx.updateTable('users').set({ role }).where('id', '=', known.id).execute();
    await trx.deleteFrom('user_sessions').where('user_id', '=', known.id).execute();
    return { ...known, role };
  }

  return {
    async beginProvider({ origin }) {
      try {
        return await provider.begin(origin);
      } catch (thrown) {
        log.warn('identity provider not reached', { reason: reasonOf(thrown) });
        throw thrown;
      }
    },

    async finishProvider({ url, state, from, userAgent }) {
      const attempt = { from };
      const refuse = async (problem: SignInProblem, name: string, reason: string) => {
        if (problem === 'refused') await lockout.failed(attempt, 'identity provider');
        else await lockout.withdrawn(attempt);
        await audit.append({ action: 'login.refused', actor: stranger(name), outcome: 'refused', from, reason });
        return { problem };
      };
      await lockout.begin(attempt);
      let answer: Awaited<ReturnType<Provider['finish']>>;
      try {
        answer = await provider.finish(url, state);
      } catch (thrown) {
        // Configuration, network and the guard speak for themselves; everything else is the provider's answer.
        const reason = reasonOf(thrown);
        const unreachable = thrown instanceof StewardError || isNetwork(thrown);
        log.warn('sign-in through the identity provider failed', { reason });
        return await refuse(unreachable ? 'unreachable' : 'refused', 'unknown', `identity provider: ${reason}`);
      }
      if (answer === 'expired') return await refuse('expired', 'unknown', 'begun elsewhere or too long ago');
      const { claims, idToken, settings } = answer;
      const name = nameIn(claims) ?? String(claims['sub']);
      if (!isOfDomain(claims, settings.allowedDomains)) return await refuse('domain', name, 'not of an allowed domain');
      const role = roleOf(claims, settings);
      if (role === undefined) return await refuse('no-role', name, 'no claim gives a role');
      const user = await db.transaction().execute((trx) => account(trx, claims, role, settings));
      if (user.disabled_at) return await refuse('disabled', user.name, 'the account is shut');
      const sealedIdToken = vault.seal(idToken, ID_TOKEN);
      const signedIn = await openSession(db, user, { from, userAgent, now: now(), sealedIdToken });
      await lockout.succeeded(attempt);
      const detail = { method: 'identity provider', issuer: settings.issuer, subject: String(claims['sub']) };
      await audit.append({ action: 'login.succeeded', actor: signedIn.actor, outcome: 'succeeded', from, detail });
      return signedIn;
    },

    async endUrl(sealedIdToken, origin) {
      const idToken = vault.open(sealedIdToken, ID_TOKEN);
      try {
        return idToken === undefined ? undefined : await provider.endUrl(idToken, origin);
      } catch (thrown) {
        log.warn('identity provider not reached to sign out', { reason: reasonOf(thrown) });
        return undefined;
      }
    },
  };
}

/** Never somebody else's: a name that is taken gets the provider's host behind it, for a name proves nothing. */
async function freeName(trx: Transaction<IdentityTables>, claims: Claims, issuer: string): Promise<string> {
  const host = new URL(issuer).hostname.replaceAll(/[^\p{L}\p{N}._-]/gu, '-');
  const wanted = (nameIn(claims) ?? 'user').replaceAll(/[^\p{L}\p{N}._@-]/gu, '-').replace(/^[^\p{L}\p{N}]+/u, '');
  const base = (wanted === '' ? 'user' : wanted).slice(0, 40);
  for (let n = 0; ; n++) {
    const suffix = n === 0 ? '' : n === 1 ? `@${host}` : `@${host}-${n}`;
    const name = `${base.slice(0, 64 - Math.min(40, suffix.length))}${suffix.slice(0, 40)}`;
    const taken = await trx
      .selectFrom('users')
      .select('id')
      .where(sql<boolean>`lower(name) = lower(${name})`)
      .executeTakeFirst();
    if (!taken && UserName.safeParse(name).success) return name;
    if (n > 1_000) throw new StewardError('CONFLICT', `There is no free name for ${base}.`);
  }
}

function nameIn(claims: Claims): string | undefined {
  return ['preferred_username', 'email', 'name', 'sub']
    .map((claim) => claims[claim])
    .find((value): value is string => typeof value === 'string' && value !== '');
}

/** An address that nobody verified is a claim of whoever typed it. */
function isOfDomain(claims: Claims, domains: readonly string[] | undefined): boolean {
  if (!domains) return true;
  const { email, email_verified: verified } = claims;
  if (typeof email !== 'string' || verified !== true) return false;
  return domains.includes(email.slice(email.lastIndexOf('@') + 1).toLowerCase());
}

function isNetwork(thrown: unknown): boolean {
  const { cause, name } = thrown as Error;
  return name === 'TimeoutError' || cause instanceof StewardError;
}

function reasonOf(thrown: unknown): string {
  const { message, cause } = thrown as Error;
  const because = cause instanceof Error ? ` (${cause.message})` : '';
  const { error, error_description: description } = thrown as { error?: unknown; error_description?: unknown };
  const said = [error, description].filter((text) => typeof text === 'string').join(': ');
  return `${message}${because}${said === '' ? '' : ` ${said}`}`.slice(0, 500);
}
