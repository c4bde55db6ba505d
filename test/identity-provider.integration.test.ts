import { existsSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair } from 'jose';
import Provider from 'oidc-provider';
import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createOutbound } from '../src/adapters/outbound/outbound.ts';
import { defineQuery, NoInput } from '../src/core/operation.ts';
import { createAdmin } from '../src/systems/identity/accounts.ts';
import type { OidcSettings } from '../src/systems/identity/elsewhere.ts';
import { memoryLog } from '../src/testing/log.ts';
import { composeSmall, PASSWORD, type SmallComposition } from './small-composition.ts';
import { z } from 'zod';

const BROWSER = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find((path) =>
  existsSync(path),
);

interface Person {
  readonly preferred_username?: string;
  readonly email?: string;
  readonly email_verified?: boolean;
  readonly groups?: readonly string[];
}

/** A browser as far as signing in goes: follows redirects, but not to `stopBefore`, and keeps cookies by host. */
function createVisitor({ stopBefore }: { readonly stopBefore?: string } = {}) {
  const jar = new Map<string, string>();
  async function go(
    url: string,
    form?: Record<string, string>,
  ): Promise<{ url: string; text: string; status: number }> {
    for (let at = url, body = form, hops = 0; hops < 20; hops++, body = undefined) {
      const { host } = new URL(at);
      const cookies = [...jar]
        .filter(([key]) => key.startsWith(`${host} `))
        .map(([key, value]) => `${key.split(' ')[1]}=${value}`);
      const response = await fetch(at, {
        redirect: 'manual',
        headers: { cookie: cookies.join('; ') },
        ...(body && { method: 'POST', body: new URLSearchParams(body) }),
      });
      for (const cookie of response.headers.getSetCookie()) {
        const [name = '', value = ''] = (cookie.split(';')[0] ?? '').split('=', 2);
        if (value === '' || /Max-Age=0/i.test(cookie)) jar.delete(`${host} ${name}`);
        else jar.set(`${host} ${name}`, value);
      }
      const next = response.headers.get('location');
      if (next === null) return { url: at, text: await response.text(), status: response.status };
      at = new URL(next, at).href;
      if (stopBefore !== undefined && at.includes(stopBefore)) return { url: at, text: '', status: 0 };
    }
    throw new Error('too many redirects');
  }
  return { jar, go };
}

describe('signing in through an identity provider', () => {
  let idp: Server;
  let issuer: string;
  let small: SmallComposition;
  let url: string;
  let settings: OidcSettings;
  const people = new Map<string, Person>();

  beforeAll(async () => {
    idp = createServer();
    await new Promise<void>((done) => idp.listen(0, '127.0.0.1', done));
    issuer = `http://127.0.0.1:${(idp.address() as AddressInfo).port}`;
    settings = {
      issuer,
      name: 'Example Login',
      clientId: 'steward',
      clientSecret: { env: 'OIDC_SECRET' },
      scopes: ['profile', 'email'],
      roles: [
        { claim: 'groups', value: 'ops', role: 'operator' },
        { claim: 'groups', value: 'owners', role: 'admin' },
      ],
      allowPrivate: true,
      allowHttp: true,
    };
    small = await composeSmall({
      operations: [
        defineQuery({
          name: 'overview',
          title: 'x',
          summary: 'x',
          permission: 'read',
          input: NoInput,
          output: z.any(),
          handle: async () => ({
            verdict: 'ok',
            sentence: 'All is well.',
            version: '1',
            node: { name: 'n' },
            notices: [],
          }),
        }),
      ],
      elsewhere: {
        settings: () => ({ oidc: settings }),
        secrets: async () => 'a secret of at least some length',
        requests: createOutbound(),
        log: memoryLog(),
      },
    });
    url = (await small.rest.listen()).url;
    const { privateKey } = await generateKeyPair('RS256', { extractable: true });
    const provider = new Provider(issuer, {
      clients: [
        {
          client_id: 'steward',
          client_secret: 'a secret of at least some length',
          redirect_uris: [`${url}/api/v1/oidc/callback`],
          post_logout_redirect_uris: [`${url}/`],
        },
      ],
      claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['preferred_username', 'groups'] },
      findAccount: (_context, id) => ({ accountId: id, claims: async () => ({ sub: id, ...people.get(id) }) }),
      jwks: { keys: [{ ...(await exportJWK(privateKey)), kid: 'k', use: 'sig', alg: 'RS256' }] },
      cookies: { keys: ['a key for the cookies of this test'] },
      pkce: { required: () => true },
    });
    idp.on('request', provider.callback());
    await createAdmin(small.store, { name: 'ada', password: PASSWORD, now: new Date() });
  });
  afterAll(async () => {
    await small?.stop();
    idp?.closeAllConnections();
    await new Promise((done) => idp?.close(done));
  });

  /** Up to the moment before the provider sends the browser back. */
  async function signIn(subject: string, visitor = createVisitor()) {
    let page = await visitor.go(`${url}/api/v1/oidc/start`);
    page = await visitor.go(page.url, { prompt: 'login', login: subject, password: 'any' });
    if (page.url.includes('/interaction/')) page = await visitor.go(page.url, { prompt: 'consent' });
    return { visitor, landed: page.url };
  }
  async function me({ jar }: ReturnType<typeof createVisitor>) {
    const session = jar.get(`${new URL(url).host} steward_session`);
    const response = await fetch(`${url}/api/v1/me`, { headers: { cookie: `steward_session=${session}` } });
    return (await response.json()) as { name: string; role: string; id: string; signedIn: boolean };
  }

  it('gives the account of issuer and subject the role of its claims, each time anew', async () => {
    people.set('s-1', { preferred_username: 'grace', groups: ['ops'] });
    const first = await me((await signIn('s-1')).visitor);
    expect(first).toMatchObject({ name: 'grace', role: 'operator', signedIn: true });

    people.set('s-1', { preferred_username: 'renamed', groups: ['owners'] });
    const { visitor } = await signIn('s-1');

    expect(await me(visitor)).toMatchObject({ id: first.id, name: 'grace', role: 'admin' });
  });

  it('never takes an account for another because of a name or an address', async () => {
    people.set('s-2', {
      preferred_username: 'ada',
      email: 'ada@example.org',
      email_verified: true,
      groups: ['owners'],
    });

    const found = await me((await signIn('s-2')).visitor);

    expect(found.name).toBe('ada@127.0.0.1');
    const ada = await small.identity.login({ name: 'ada', password: PASSWORD, from: '127.0.0.1' });
    expect(ada.actor.id).not.toBe(found.id);
  });

  it('lets nobody in to whom no claim gives a role, nor who is not of an allowed domain', async () => {
    people.set('s-3', {
      preferred_username: 'mallory',
      email: 'm@example.org',
      email_verified: false,
      groups: ['staff'],
    });
    expect((await signIn('s-3')).landed).toBe(`${url}/#sign-in=no-role`);

    people.set('s-3', {
      preferred_username: 'mallory',
      email: 'm@example.org',
      email_verified: false,
      groups: ['ops'],
    });
    settings = { ...settings, allowedDomains: ['example.org'] };
    expect((await signIn('s-3')).landed).toBe(`${url}/#sign-in=domain`);
    people.set('s-3', { preferred_username: 'mallory', email: 'm@example.org', email_verified: true, groups: ['ops'] });
    expect(await me((await signIn('s-3')).visitor)).toMatchObject({ name: 'mallory', role: 'operator' });
    const { allowedDomains: _none, ...rest } = settings;
    settings = rest;
  });

  it('shuts out whoever was disabled here', async () => {
    people.set('s-4', { preferred_username: 'eve', groups: ['ops'] });
    await signIn('s-4');
    await small.store.pool.query(`update users set disabled_at = now() where name = 'eve'`);

    expect((await signIn('s-4')).landed).toBe(`${url}/#sign-in=disabled`);
  });

  it('accepts an answer only in the browser that asked, and only once', async () => {
    people.set('s-5', { preferred_username: 'heidi', groups: ['ops'] });
    const { visitor: attacker, landed: callback } = await signIn('s-5', createVisitor({ stopBefore: '/callback' }));
    const victim = createVisitor();
    expect(callback).toContain('code=');

    expect((await victim.go(callback)).url).toBe(`${url}/#sign-in=expired`);
    await victim.go(`${url}/api/v1/oidc/start`);
    expect((await victim.go(callback)).url).toBe(`${url}/#sign-in=refused`);
    expect((await attacker.go(callback)).url).toBe(`${url}/`);
    expect((await attacker.go(callback)).url).toBe(`${url}/#sign-in=expired`);
  });

  it('signs out at the provider as well', async () => {
    people.set('s-6', { preferred_username: 'ivan', groups: ['ops'] });
    const { visitor } = await signIn('s-6');
    const session = visitor.jar.get(`${new URL(url).host} steward_session`);
    const answer = await fetch(`${url}/api/v1/logout`, {
      method: 'POST',
      headers: { cookie: `steward_session=${session}`, origin: url },
    });
    const { redirect } = (await answer.json()) as { redirect: string };

    expect(redirect).toMatch(/session\/end\?id_token_hint=ey.*post_logout_redirect_uri=/);
    expect((await visitor.go(redirect)).text).toMatch(/sign-out|logout/i);
    expect(await me(visitor)).toMatchObject({ error: { code: 'UNAUTHENTICATED' } });
  });

  it('keeps accounts from elsewhere without a password, and confirms with a fresh sign-in only what has no better proof', async () => {
    people.set('s-7', { preferred_username: 'judy', groups: ['ops'] });
    await expect(small.identity.login({ name: 'judy', password: '', from: '127.0.0.1' })).rejects.toMatchObject({
      code: 'UNAUTHENTICATED',
    });
    const { visitor } = await signIn('s-7');
    const session = visitor.jar.get(`${new URL(url).host} steward_session`);
    const enroll = async () =>
      await fetch(`${url}/api/v1/enroll-authenticator`, {
        method: 'POST',
        headers: { cookie: `steward_session=${session}`, origin: url, 'content-type': 'application/json' },
        body: '{}',
      });
    expect((await enroll()).status).toBe(200);
    await small.store.pool.query(`update user_sessions set created_at = created_at - interval '11 minutes'`);
    expect(await (await enroll()).json()).toMatchObject({ error: { code: 'CONFIRMATION_REQUIRED' } });
  });

  it('says on the page that the provider does not answer', async () => {
    const before = settings;
    settings = { ...settings, issuer: 'http://127.0.0.1:1' };
    expect((await createVisitor().go(`${url}/api/v1/oidc/start`)).url).toBe(`${url}/#sign-in=unreachable`);
    settings = { ...before, allowPrivate: false };
    expect((await createVisitor().go(`${url}/api/v1/oidc/start`)).url).toBe(`${url}/#sign-in=unreachable`);
    settings = before;
  });

  describe.skipIf(!BROWSER)('in a browser (needs Chromium)', () => {
    let browser: Browser;
    let page: Page;
    beforeAll(async () => {
      browser = await chromium.launch({ executablePath: BROWSER as string, args: ['--no-sandbox'] });
      page = await browser.newPage();
    });
    afterAll(() => browser?.close());

    it('is a button away', async () => {
      people.set('s-8', { preferred_username: 'kim', groups: ['ops'] });
      await page.goto(url);
      await page.getByRole('link', { name: 'Sign in with Example Login' }).click();
      await page.locator('input[name=login]').fill('s-8');
      await page.locator('input[name=password]').fill('any');
      await page.locator('button[type=submit]').click();
      await page.locator('button[type=submit]').click();

      await page.getByRole('button', { name: 'kim' }).waitFor();
      expect(page.url()).toBe(`${url}/`);
    });

    it('says in words what was wrong', async () => {
      await page.context().clearCookies();
      people.set('s-9', { preferred_username: 'nobody', groups: [] });
      await page.goto(url);
      await page.getByRole('link', { name: 'Sign in with Example Login' }).click();
      await page.locator('input[name=login]').fill('s-9');
      await page.locator('input[name=password]').fill('any');
      await page.locator('button[type=submit]').click();
      await page.locator('button[type=submit]').click();

      await page.getByText('nothing there gives you a role here').waitFor();
    });
  });
});
