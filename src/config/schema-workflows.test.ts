import { describe, expect, it } from 'vitest';
import { Config } from './schema.ts';

const withCall = (call: object) => Config.safeParse({ workflows: { on_user_register: { workspace: call } } });

describe('what the workflows call', () => {
  it('may name members of the event behind the host', () => {
    expect(withCall({ url: 'https://crm.example/users/{user.id}?plan={plan}' })).toMatchObject({
      success: true,
      data: { workflows: { on_user_register: { workspace: { method: 'POST', allowPrivate: false } } } },
    });
  });

  it.each([
    'https://{tenant}.example/users',
    'https://{user}:x@crm.example/',
    'https://crm.example/{}',
    'https://crm.example/{a b}',
    'https://crm.example/}{',
    'ftp://crm.example/',
  ])('refuses %s', (url) => {
    expect(withCall({ url }).success).toBe(false);
  });

  it('takes secrets by reference, and knows no other steps', () => {
    expect(withCall({ url: 'https://crm.example/', headers: { authorization: { env: 'TOKEN' } } }).success).toBe(true);
    expect(withCall({ url: 'https://crm.example/', headers: { authorization: { value: 'x' } } }).success).toBe(false);
    expect(Config.safeParse({ workflows: { on_user_register: { shout: {} } } }).success).toBe(false);
  });

  it.each(['http://x', 'x/y', 'x:', 'x y'])('refuses %j as a host to allow', (host) => {
    expect(Config.safeParse({ http: { allow: [{ host }] } }).success).toBe(false);
  });
});
