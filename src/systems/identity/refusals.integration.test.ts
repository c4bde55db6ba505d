import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Actor } from '../../core/actor.ts';
import { FROM, identityFixture, type IdentityFixture } from '../../testing/identity.ts';
import { tellRefusals } from './refusals.ts';
import { newToken } from './secrets.ts';

describe('refusals', () => {
  let fixture: IdentityFixture;
  const ask = (bearer: string | undefined, from = FROM) =>
    fixture.identity.authenticate({ bearer, from }).catch((thrown: { code: string }) => thrown.code);
  const made = async (input: object, actor: Actor): Promise<{ id: string; token: string }> =>
    await fixture.perform('create-token', { role: 'viewer', ...input }, actor);

  beforeEach(async () => {
    fixture = await identityFixture();
  });
  afterEach(() => fixture.end());

  it('of credentials are limited by address; what was seen to be good passes', async () => {
    const { token: known } = await made({ name: 'known' }, await fixture.local());
    const { token: fresh } = await made({ name: 'fresh' }, await fixture.local());
    expect(await ask(known)).toMatchObject({ name: 'known' });
    const bad = newToken('AAAAAAAAAAAA');

    const answers = new Set<unknown>();
    for (let n = 0; n < 60; n++) answers.add(await ask(bad));

    expect([...answers]).toEqual(['UNAUTHENTICATED']);
    expect(await ask(bad)).toBe('RATE_LIMITED');
    expect(await ask(fresh)).toBe('RATE_LIMITED');
    expect(await ask(known)).toMatchObject({ name: 'known' });
    expect(await ask(fresh, '198.51.100.9')).toMatchObject({ name: 'fresh' });
    await expect.poll(fixture.events, { timeout: 10_000 }).toContain('security.locked-out');
    expect(fixture.audited.filter(({ action }) => action === 'login.locked-out')).toHaveLength(1);
    expect(fixture.audited.filter(({ action }) => action === 'access.refused')).toHaveLength(10);

    fixture.later(61);
    expect(await ask(fresh)).toMatchObject({ name: 'fresh' });
  });

  it('of requests without a credential come late, for they cost nothing', async () => {
    for (let n = 0; n < 1_200; n++) expect(await ask(undefined)).toBeUndefined();

    expect(await ask(undefined)).toBe('RATE_LIMITED');
    expect(await ask(undefined, '198.51.100.9')).toBeUndefined();
  });

  it('say in the record whose credential it was that is used on after it was revoked', async () => {
    const { id, token } = await made({ name: 'laptop' }, await fixture.local());
    await fixture.perform('revoke-token', { id }, await fixture.local());

    expect(await ask(token)).toBe('UNAUTHENTICATED');

    expect(fixture.audited.at(-1)).toMatchObject({
      action: 'access.refused',
      actor: { id: `token:${id}`, name: 'laptop' },
      detail: { credential: 'revoked' },
    });
  });

  it('of what an actor may not have are events as well, and mistakes are none', async () => {
    const told = tellRefusals({
      audit: { append: async (entry) => void fixture.audited.push(entry) },
      store: fixture.database.store,
      node: 'n1',
    });
    const entry = { actor: await fixture.local(), from: FROM, subject: { kind: 'operation', id: 'create-user' } };
    await told.append({ ...entry, action: 'access.refused', outcome: 'refused', reason: 'not for agents' });
    await told.append({ ...entry, action: 'command.x', outcome: 'refused', detail: { code: 'FORBIDDEN' } });
    await told.append({ ...entry, action: 'command.x', outcome: 'refused', detail: { code: 'INPUT_INVALID' } });
    await told.append({ ...entry, action: 'command.x', outcome: 'succeeded' });

    await expect.poll(fixture.events, { timeout: 10_000 }).toEqual(['security.refused', 'security.refused']);
    expect(fixture.audited).toHaveLength(4);
  });
});
