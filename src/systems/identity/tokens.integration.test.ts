import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Actor, may, Permission } from '../../core/actor.ts';
import { FROM, identityFixture, type IdentityFixture } from '../../testing/identity.ts';
import { assertMayGrant } from './grants.ts';

interface Made {
  readonly id: string;
  readonly token: string;
  readonly expiresAt?: Date;
  readonly previousUntil?: Date;
}

describe('tokens', () => {
  let fixture: IdentityFixture;
  let admin: Actor;
  const create = (input: object, actor = admin): Promise<Made> => fixture.perform('create-token', input, actor);
  const actorOf = async (token: string): Promise<Actor> =>
    (await fixture.identity.authenticate({ bearer: token, from: FROM })) as Actor;

  beforeEach(async () => {
    fixture = await identityFixture();
    admin = await fixture.person('ada');
  });
  afterEach(() => fixture.end());

  it('end after 90 days unless somebody says otherwise', async () => {
    const { token, expiresAt } = await create({ name: 'ci', role: 'operator' });
    expect(expiresAt?.getTime()).toBe(fixture.now().getTime() + 90 * 86_400_000);

    fixture.later(90 * 86_400 + 1);

    await expect(actorOf(token)).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
  });

  it('without an end are for admins to make', async () => {
    const operator = await fixture.person('olga', 'operator');

    await expect(create({ name: 'x', role: 'viewer', expires: 'never' }, operator)).rejects.toMatchObject({
      code: 'FORBIDDEN',
    });
    expect((await create({ name: 'x', role: 'viewer', expires: 'never' })).expiresAt).toBeUndefined();
  });

  it('carry their scope, which narrows what their role may', async () => {
    const { token } = await create({ name: 'n', role: 'operator', only: ['backup-*', 'runs'], permissions: ['read'] });
    const actor = await actorOf(token);

    expect(actor.scope).toEqual({ operations: ['backup-*', 'runs'], permissions: ['read'] });
    expect(may(actor, 'read', 'backup-database')).toBe(true);
    expect(may(actor, 'read', 'runs')).toBe(true);
    expect(may(actor, 'read', 'run-get')).toBe(false);
    expect(may(actor, 'operate', 'backup-database')).toBe(false);
    await expect(fixture.perform('tokens', {}, actor)).rejects.toMatchObject({ code: 'FORBIDDEN' });
    await expect(create({ name: 'n', role: 'viewer', permissions: ['administer'] })).rejects.toMatchObject({
      code: 'INPUT_INVALID',
    });
  });

  it('make none that is wider or lasts longer than they do', async () => {
    const { token } = await create({
      name: 'maker',
      role: 'operator',
      expires: '10d',
      only: ['create-token', 'rotate-token', 'backup-*'],
      permissions: ['read', 'operate'],
    });
    const maker = await actorOf(token);
    const refused = (input: object): Promise<void> =>
      expect(create({ name: 'child', role: 'operator', expires: '1d', ...input }, maker)).rejects.toMatchObject({
        code: 'FORBIDDEN',
      });

    await refused({});
    await refused({ only: ['*'] });
    await refused({ only: ['backup*'] });
    await refused({ only: ['backup-a', 'runs'] });
    await refused({ only: ['backup-a'], role: 'admin' });
    await refused({ only: ['backup-a'], expires: '11d' });
    await refused({ only: ['backup-a'], expires: 'never' });
    expect(await create({ name: 'child', role: 'operator', expires: '1d', only: ['backup-a*'] }, maker)).toBeTruthy();

    const wide = await create({ name: 'wide', role: 'operator' });
    await expect(fixture.perform('rotate-token', { id: wide.id }, maker)).rejects.toMatchObject({ code: 'FORBIDDEN' });
  });

  it('that are revoked take along what was made with them, and leave nobody a way back', async () => {
    const leaked = await create({ name: 'leaked', role: 'operator' });
    const sibling = await create({ name: 'sibling', role: 'operator' });
    const thief = await actorOf(leaked.token);
    const child = await create({ name: 'child', role: 'operator', expires: '1d' }, thief);
    const grandchild = await create({ name: 'grandchild', role: 'viewer', expires: '1h' }, await actorOf(child.token));
    await expect(fixture.perform('rotate-token', { id: sibling.id }, thief)).rejects.toMatchObject({
      code: 'FORBIDDEN',
    });

    await fixture.perform('revoke-token', { id: leaked.id }, admin);

    for (const { token } of [leaked, child, grandchild])
      await expect(actorOf(token)).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
    expect(await actorOf(sibling.token)).toMatchObject({ name: 'sibling' });
  });

  it('are not rotated by who holds the secret that was just replaced', async () => {
    const { id, token } = await create({ name: 'ci', role: 'operator' });
    await fixture.perform('rotate-token', { id }, admin);

    await expect(fixture.perform('rotate-token', { id, grace: '0s' }, await actorOf(token))).rejects.toMatchObject({
      code: 'CONFLICT',
    });
    expect(await fixture.perform('rotate-token', { id, grace: '0s' }, admin)).toMatchObject({ id });
  });

  it('never make a token that may what they may not themselves', () => {
    const names = fc.constantFrom('a', 'ab', 'abc', 'b', 'a*', 'ab*', '*');
    const scopes = fc.record(
      {
        permissions: fc.uniqueArray(fc.constantFrom(...Permission.options), { minLength: 1 }),
        operations: fc.uniqueArray(names, { minLength: 1 }),
      },
      { requiredKeys: [] },
    );
    const roles = fc.constantFrom<Actor['role']>('viewer', 'operator', 'admin', 'auditor');

    fc.assert(
      fc.property(roles, scopes, roles, scopes, (role, scope, childRole, childScope) => {
        const parent: Actor = { kind: 'token', id: 'token:x', name: 'x', role, scope };
        const child = { role: childRole, scope: childScope };
        try {
          assertMayGrant(parent, child);
        } catch {
          return;
        }
        for (const permission of Permission.options)
          for (const operation of ['a', 'ab', 'abc', 'abcd', 'b', 'z'])
            if (may(child, permission, operation)) expect(may(parent, permission, operation)).toBe(true);
      }),
      { numRuns: 2_000 },
    );
  });

  it('are rotated: the new secret works at once, the old one for the grace', async () => {
    const { id, token } = await create({ name: 'ci', role: 'operator', expires: '2d' });
    const rotated = await fixture.perform<Made>('rotate-token', { id, grace: '1h' }, admin);

    expect(rotated.token).not.toBe(token);
    expect(await actorOf(rotated.token)).toMatchObject({ id: `token:${id}` });
    expect(await actorOf(token)).toMatchObject({ id: `token:${id}` });

    fixture.later(3_601);
    await expect(actorOf(token)).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
    expect(await actorOf(rotated.token)).toMatchObject({ id: `token:${id}` });

    const again = await fixture.perform<Made>('rotate-token', { id, grace: '0s' }, admin);
    await expect(actorOf(rotated.token)).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
    fixture.later(2 * 86_400);
    await expect(actorOf(again.token)).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
  });

  it('of somebody else are rotated by nobody, for their secret acts in that name', async () => {
    const operator = await fixture.person('olga', 'operator');
    const { id } = await create({ name: 'hers', role: 'operator' }, operator);

    await expect(fixture.perform('rotate-token', { id }, admin)).rejects.toMatchObject({ code: 'NOT_FOUND' });
    expect(await fixture.perform('revoke-token', { id }, admin)).toMatchObject({ id });
  });

  it('are listed with their last use, and never with what would let anybody in', async () => {
    const { token, id } = await create({ name: 'ci', role: 'viewer', only: ['runs'] });
    await actorOf(token);
    const rotated = await fixture.perform<Made>('rotate-token', { id }, admin);

    const listed = await fixture.perform<{ items: object[] }>('tokens', {}, admin);

    expect(listed.items).toEqual([
      expect.objectContaining({ id, only: ['runs'], lastUsedAt: fixture.now(), lastUsedFrom: FROM }),
    ]);
    expect(JSON.stringify(listed)).not.toMatch(/stw_|hash/);
    expect(JSON.stringify(fixture.audited)).not.toContain(rotated.token.slice(-20));
  });
});
