import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createAdmin } from '../src/systems/identity/accounts.ts';
import { composeSmall, PASSWORD, type SmallComposition } from './small-composition.ts';

const PUBLIC = 'https://steward.example.org';

describe('the session of a browser, behind a proxy that ends TLS', () => {
  let small: SmallComposition;
  const login = (headers: Record<string, string> = {}, password = PASSWORD) =>
    small.rest.app.inject({
      method: 'POST',
      url: '/api/v1/login',
      headers: { host: 'steward.example.org', ...headers },
      payload: { name: 'ada', password },
    });
  const post = (url: string, headers: Record<string, string>) =>
    small.rest.app.inject({ method: 'POST', url, headers: { host: 'steward.example.org', ...headers }, payload: {} });

  beforeAll(async () => {
    small = await composeSmall({ settings: { publicUrl: `${PUBLIC}/` } });
    await createAdmin(small.store, { name: 'ada', password: PASSWORD, now: new Date() });
  });
  afterAll(() => small.stop());

  it('is in a cookie that no script reads, that no other site sends, and that never goes unencrypted', async () => {
    for (const headers of [{ origin: PUBLIC }, {}]) {
      const cookie = String((await login(headers)).headers['set-cookie']);
      for (const flag of ['HttpOnly', 'SameSite=Strict', 'Secure', 'Path=/', 'Expires='])
        expect(cookie).toContain(flag);
    }
    const local = await login({ host: 'localhost', origin: 'http://localhost' });
    expect(String(local.headers['set-cookie'])).not.toContain('Secure');
  });

  it('changes nothing for a page of somebody else', async () => {
    const cookie = String((await login()).headers['set-cookie']).split(';')[0] ?? '';
    for (const headers of [{ origin: 'https://evil.example.org' }, { origin: 'null' }, {}])
      expect((await post('/api/v1/sign-out-everywhere', { cookie, ...headers })).statusCode).toBe(403);

    expect((await post('/api/v1/sign-out-everywhere', { cookie, origin: PUBLIC })).statusCode).toBe(200);
    expect((await login({ origin: 'https://evil.example.org' })).statusCode).toBe(403);
  });

  it('makes passkeys for the address that people see', async () => {
    const cookie = String((await login()).headers['set-cookie']).split(';')[0] ?? '';
    const account = await small.rest.app.inject({
      method: 'GET',
      url: '/api/v1/account',
      headers: { host: 'steward.example.org', cookie },
    });

    expect(account.json().account.noPasskeys).toBeUndefined();
  });

  it('says the same of a name that does not exist as of a wrong password', async () => {
    const [known, unknown] = await Promise.all([
      login({}, 'not the password'),
      small.rest.app.inject({ method: 'POST', url: '/api/v1/login', payload: { name: 'nobody', password: 'not it' } }),
    ]);

    expect(unknown.statusCode).toBe(known.statusCode);
    expect(unknown.json()).toEqual(known.json());
  });
});
