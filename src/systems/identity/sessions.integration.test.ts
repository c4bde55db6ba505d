import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Actor } from '../../core/actor.ts';
import type { SignedIn } from '../../core/identity.ts';
import { FROM, identityFixture, type IdentityFixture, PASSWORD } from '../../testing/identity.ts';
import { isPassword } from './secrets.ts';

describe('sessions', () => {
  let fixture: IdentityFixture;
  let here: SignedIn;
  let elsewhere: SignedIn;
  const login = (password = PASSWORD): Promise<SignedIn> =>
    fixture.identity.login({ name: 'ada', password, from: FROM, userAgent: 'Firefox' });
  const whoIs = (session: string): Promise<Actor | undefined> => fixture.identity.authenticate({ session, from: FROM });

  beforeEach(async () => {
    fixture = await identityFixture();
    await fixture.person('ada');
    here = await login();
    elsewhere = await login();
  });
  afterEach(() => fixture.end());

  it('are listed to their owner, who ends one or all others', async () => {
    const bob = await fixture.person('bob', 'viewer');
    const own = await fixture.perform<{ items: object[] }>('sessions', {}, bob);
    expect(own.items).toEqual([expect.objectContaining({ user: 'bob', current: true })]);
    await expect(fixture.perform('end-session', { id: here.actor.session }, bob)).rejects.toMatchObject({
      code: 'NOT_FOUND',
    });

    expect(await fixture.perform('sign-out-everywhere', {}, here.actor)).toEqual({ ended: 2 });

    expect(await whoIs(here.session)).toMatchObject({ name: 'ada' });
    await expect(whoIs(elsewhere.session)).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
    expect(await fixture.perform('sign-out-everywhere', { here: true }, here.actor)).toEqual({ ended: 1 });
    await expect(whoIs(here.session)).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
  });

  it('end elsewhere when the password changes, which takes the old one', async () => {
    const next = 'battery horse correct';
    await expect(fixture.perform('change-password', { password: next }, here.actor)).rejects.toMatchObject({
      code: 'CONFIRMATION_REQUIRED',
    });
    await expect(
      fixture.perform('change-password', { password: next, proof: { password: 'wrong' } }, here.actor),
    ).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });

    const proof = { password: PASSWORD };
    expect(await fixture.perform('change-password', { password: next, proof }, here.actor)).toEqual({
      sessionsEnded: 2,
    });

    expect(await whoIs(here.session)).toMatchObject({ name: 'ada' });
    await expect(whoIs(elsewhere.session)).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
    await expect(login()).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
    expect(await login(next)).toMatchObject({ actor: { name: 'ada' } });
  });

  it('that were stolen make no account and no password that could approve', async () => {
    const next = 'battery horse correct';
    for (const [name, input] of [
      ['create-user', { name: 'eve', role: 'admin', password: next }],
      ['update-user', { name: 'ada', password: next }],
      ['reset-second-factor', { name: 'ada' }],
      ['enroll-authenticator', {}],
    ] as const) {
      await expect(fixture.perform(name, input, here.actor), name).rejects.toMatchObject({
        code: 'CONFIRMATION_REQUIRED',
      });
    }

    const proof = { password: PASSWORD };
    expect(
      await fixture.perform('create-user', { name: 'eve', role: 'viewer', password: next, proof }, here.actor),
    ).toMatchObject({ name: 'eve' });
  });

  it('end after a day unused, and after seven days in any case', async () => {
    for (let day = 0; day < 6; day++) {
      fixture.later(23 * 3_600);
      expect(await whoIs(here.session)).toMatchObject({ name: 'ada' });
    }
    await expect(whoIs(elsewhere.session)).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
    fixture.later(23 * 3_600);
    expect(await whoIs(here.session)).toMatchObject({ name: 'ada' });
    fixture.later(23 * 3_600);
    await expect(whoIs(here.session)).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
  });

  it('are refused, not queued for ever, when a crowd signs in at once', async () => {
    const outcomes = await Promise.allSettled(Array.from({ length: 60 }, () => isPassword('x', undefined)));

    const refused = outcomes.filter(({ status }) => status === 'rejected');
    expect(refused).toHaveLength(60 - 42);
    expect(refused[0]).toMatchObject({ reason: { code: 'RATE_LIMITED' } });
    expect(await isPassword('x', undefined)).toBe(false);
  }, 60_000);
});
