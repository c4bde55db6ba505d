import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createVault } from '../../adapters/vault/index.ts';
import type { Actor } from '../../core/actor.ts';
import type { AuditEntry } from '../../core/audit.ts';
import type { AnyOperation, Call } from '../../core/operation.ts';
import { perform as performed } from '../../surfaces/perform.ts';
import { testDatabase, type TestDatabase } from '../../testing/database.ts';
import { createAdmin } from './accounts.ts';
import { createIdentity, type IdentitySystem } from './index.ts';
import { newToken, tokenId } from './secrets.ts';
import { identityMigrations } from './tables.ts';

const PASSWORD = 'correct horse battery';
const from = '192.0.2.7';

describe('identity', () => {
  let database: TestDatabase;
  let home: string;
  let identity: IdentitySystem;
  let clock: Date;
  let audited: AuditEntry[];

  const open = (): IdentitySystem =>
    createIdentity({
      store: database.store,
      audit: { append: async (entry) => void audited.push(entry) },
      vault: createVault({ key: Buffer.alloc(32) }),
      setupLinkFile: join(home, 'setup-link'),
      cliTokenFile: join(home, 'cli-token'),
      osUser: 'ada',
      node: 'n1',
      now: () => clock,
    });
  const later = (minutes: number): void => void (clock = new Date(clock.getTime() + minutes * 60_000));
  const perform = async (name: string, input: object, actor: Actor): Promise<never> => {
    const operation = identity.operations.find((each) => each.name === name);
    const call: Call = { actor, now: clock, from, requestId: 'r1' };
    return (await performed(operation as AnyOperation, input, call, { append: async () => undefined })) as never;
  };
  const localActor = async (): Promise<Actor> =>
    (await identity.authenticate({ bearer: (await readFile(join(home, 'cli-token'), 'utf8')).trim(), from })) as Actor;
  const events = async (): Promise<string[]> => (await database.store.events.read()).map(({ type }) => type);

  beforeEach(async () => {
    database = await testDatabase({ migrations: identityMigrations });
    home = await mkdtemp(join(tmpdir(), 'steward-identity-'));
    clock = new Date('2026-11-20T12:00:00Z');
    audited = [];
    identity = open();
    await identity.start();
  });
  afterEach(async () => {
    await identity.stop();
    await database.drop();
    await rm(home, { recursive: true });
  });

  it('makes no second admin by a set-up link that nobody used', async () => {
    const token = (await identity.setupLink('http://127.0.0.1:3000'))?.split('#')[1] ?? '';
    await perform('create-user', { name: 'ada', role: 'admin', password: PASSWORD }, await localActor());

    await expect(identity.setUp({ token, name: 'eve', password: PASSWORD, from })).rejects.toMatchObject({
      code: 'UNAUTHENTICATED',
    });
    await expect(identity.login({ name: 'eve', password: PASSWORD, from })).rejects.toMatchObject({
      code: 'UNAUTHENTICATED',
    });
  });

  it('locks a name in whatever letters it is written', async () => {
    await perform('create-user', { name: 'admin', role: 'admin', password: PASSWORD }, await localActor());
    const spelled = ['admin', 'ADMIN', 'adm\u0130n', 'ADM\u0130N', 'Admin', 'admIn'];
    for (const name of spelled.slice(0, 5))
      await identity.login({ name, password: 'a wrong one', from }).catch(() => undefined);

    await expect(identity.login({ name: 'adm\u0130n', password: PASSWORD, from })).rejects.toMatchObject({
      code: 'RATE_LIMITED',
    });
  });

  it('lets the first admin in by the one-time link, once', async () => {
    const link = await identity.setupLink('http://127.0.0.1:3000');
    const token = link?.split('#')[1] ?? '';
    expect((await stat(join(home, 'setup-link'))).mode & 0o777).toBe(0o600);
    expect(await open().setupLink('http://127.0.0.1:3000')).toBe(link);
    await expect(identity.setUp({ token: 'guess', name: 'eve', password: PASSWORD, from })).rejects.toMatchObject({
      code: 'UNAUTHENTICATED',
    });
    await expect(identity.setUp({ token, name: 'ada', password: 'short', from })).rejects.toMatchObject({
      code: 'INPUT_INVALID',
      problems: [{ path: 'password' }],
    });

    const [one, two] = await Promise.allSettled([
      identity.setUp({ token, name: 'ada', password: PASSWORD, from }),
      identity.setUp({ token, name: 'bob', password: PASSWORD, from }),
    ]);

    expect([one.status, two.status].toSorted()).toEqual(['fulfilled', 'rejected']);
    expect(await identity.setUpPending()).toBe(false);
    expect(await identity.setupLink('http://127.0.0.1:3000')).toBeUndefined();
    await expect(stat(join(home, 'setup-link'))).rejects.toThrow(/ENOENT/);
  });

  it('signs in, recognizes the session until it ends, and signs out', async () => {
    await createAdmin(database.store, { name: 'ada', password: PASSWORD, now: clock });
    const { session, actor } = await identity.login({ name: 'ADA', password: PASSWORD, from });
    expect(actor).toMatchObject({ kind: 'user', name: 'ada', role: 'admin', session: expect.stringMatching(/^ses_/) });
    expect(await identity.authenticate({ session, from })).toEqual(actor);

    await identity.logout(session, { origin: 'http://localhost' });
    await expect(identity.authenticate({ session, from })).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });

    const idle = await identity.login({ name: 'ada', password: PASSWORD, from });
    later(25 * 60);
    await expect(identity.authenticate({ session: idle.session, from })).rejects.toMatchObject({
      code: 'UNAUTHENTICATED',
    });
    expect(audited.map(({ action }) => action)).toEqual(['login.succeeded', 'login.ended', 'login.succeeded']);
  });

  it('locks a name out after five wrong passwords, says so as an event, and opens it again after a while', async () => {
    await createAdmin(database.store, { name: 'ada', password: PASSWORD, now: clock });
    for (let n = 0; n < 5; n++)
      await expect(identity.login({ name: 'ada', password: 'wrong', from })).rejects.toMatchObject({
        code: 'UNAUTHENTICATED',
      });

    await expect(identity.login({ name: 'ada', password: PASSWORD, from })).rejects.toMatchObject({
      code: 'RATE_LIMITED',
    });
    await expect(open().login({ name: 'ada', password: PASSWORD, from: '198.51.100.1' })).rejects.toMatchObject({
      code: 'RATE_LIMITED',
    });
    // Events show once older transactions of the whole server are over.
    await expect
      .poll(events, { timeout: 10_000 })
      .toEqual([...Array<string>(5).fill('security.failed-access'), 'security.locked-out']);

    later(16);
    expect(await identity.login({ name: 'ada', password: PASSWORD, from })).toMatchObject({ actor: { name: 'ada' } });
  });

  it('counts guesses that come at once', async () => {
    await createAdmin(database.store, { name: 'ada', password: PASSWORD, now: clock });

    const outcomes = await Promise.allSettled(
      Array.from({ length: 8 }, () => identity.login({ name: 'ada', password: 'wrong', from })),
    );

    expect(
      outcomes.filter((outcome) => outcome.status === 'rejected' && outcome.reason.code === 'UNAUTHENTICATED'),
    ).toHaveLength(5);
  });

  it('brakes an address that tries many names', async () => {
    for (let n = 0; n < 20; n++)
      await expect(identity.setUp({ token: `guess${n}`, name: 'eve', password: PASSWORD, from })).rejects.toMatchObject(
        { code: 'UNAUTHENTICATED' },
      );

    await expect(identity.setUp({ token: 'another', name: 'eve', password: PASSWORD, from })).rejects.toMatchObject({
      code: 'RATE_LIMITED',
    });
  });

  it('brakes a sender who takes another IPv6 address for each guess', async () => {
    const outcomes: unknown[] = [];
    for (let n = 0; n < 21; n++)
      outcomes.push(
        await identity
          .setUp({ token: `guess${n}`, name: 'eve', password: PASSWORD, from: `2001:db8::${n.toString(16)}` })
          .catch((thrown: { code: string }) => thrown.code),
      );

    expect(outcomes.slice(0, 20).every((code) => code === 'UNAUTHENTICATED')).toBe(true);
    expect(outcomes[20]).toBe('RATE_LIMITED');
  });

  it('gives the machine itself a credential that ends with the server and has no session', async () => {
    const actor = await localActor();
    const bearer = (await readFile(join(home, 'cli-token'), 'utf8')).trim();
    expect((await stat(join(home, 'cli-token'))).mode & 0o777).toBe(0o600);
    expect(actor).toEqual({ kind: 'token', id: 'token:local', name: 'local:ada', role: 'admin' });

    await identity.stop();
    await expect(stat(join(home, 'cli-token'))).rejects.toThrow(/ENOENT/);
    await expect(identity.authenticate({ bearer, from })).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
  });

  it('creates tokens that carry their role, expire, and can be revoked', async () => {
    const admin = await localActor();
    const { token, id } = (await perform('create-token', { name: 'screen', role: 'viewer', expires: '1h' }, admin)) as {
      token: string;
      id: string;
    };
    expect(await identity.authenticate({ bearer: token, from })).toEqual({
      kind: 'token',
      id: `token:${id}`,
      name: 'screen',
      role: 'viewer',
    });
    expect(JSON.stringify(await perform('tokens', {}, admin))).not.toContain(token.slice(-20));

    later(61);
    await expect(identity.authenticate({ bearer: token, from })).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });

    const second = (await perform('create-token', { name: 'ci', role: 'operator', expires: 'never' }, admin)) as {
      token: string;
      id: string;
    };
    await perform('revoke-token', { id: second.id }, admin);
    await expect(identity.authenticate({ bearer: second.token, from })).rejects.toMatchObject({
      code: 'UNAUTHENTICATED',
    });
  });

  it('lets nobody hand out more than they have, and an agent nothing', async () => {
    const operator: Actor = { kind: 'user', id: 'usr_x', name: 'olga', role: 'operator' };
    for (const role of ['admin', 'auditor'])
      await expect(perform('create-token', { name: 'more', role }, operator)).rejects.toMatchObject({
        code: 'FORBIDDEN',
      });
    await expect(
      perform(
        'create-token',
        { name: 'x', role: 'viewer' },
        { kind: 'token', id: 'token:a', name: 'bot', role: 'agent' },
      ),
    ).rejects.toMatchObject({ code: 'FORBIDDEN' });
  });

  it('ends the tokens and sessions of a user who is disabled, and keeps the last admin', async () => {
    const admin = await localActor();
    await createAdmin(database.store, { name: 'ada', password: PASSWORD, now: clock });
    await perform('create-user', { name: 'bob', role: 'operator', password: PASSWORD }, admin);
    const bob = await identity.login({ name: 'bob', password: PASSWORD, from });
    const { token } = (await perform('create-token', { name: 'mine', role: 'operator' }, bob.actor)) as {
      token: string;
    };
    expect(await perform('tokens', {}, bob.actor)).toMatchObject({ items: [{ name: 'mine' }] });

    await perform('update-user', { name: 'bob', disabled: true }, admin);

    await expect(identity.authenticate({ bearer: token, from })).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
    await expect(identity.authenticate({ session: bob.session, from })).rejects.toMatchObject({
      code: 'UNAUTHENTICATED',
    });
    await expect(perform('update-user', { name: 'ada', role: 'viewer' }, admin)).rejects.toMatchObject({
      code: 'PRECONDITION_FAILED',
    });
  });

  it('lets no token outlive the role of the user it was made by', async () => {
    const admin = await localActor();
    await createAdmin(database.store, { name: 'ada', password: PASSWORD, now: clock });
    await perform('create-user', { name: 'bob', role: 'admin', password: PASSWORD }, admin);
    const bob = await identity.login({ name: 'bob', password: PASSWORD, from });
    const made = async (role: string): Promise<{ token: string }> =>
      await perform('create-token', { name: role, role }, bob.actor);
    const [greater, agent, lesser] = [await made('admin'), await made('agent'), await made('viewer')];

    await perform('update-user', { name: 'bob', role: 'operator' }, admin);

    await expect(identity.authenticate({ bearer: greater.token, from })).rejects.toMatchObject({
      code: 'UNAUTHENTICATED',
    });
    expect(await identity.authenticate({ bearer: agent.token, from })).toMatchObject({
      role: 'agent',
      onBehalfOf: 'bob',
    });
    expect(await identity.authenticate({ bearer: lesser.token, from })).toMatchObject({ role: 'viewer' });
  });

  it('lets a token become no person: accounts are made by who is signed in, or at the machine', async () => {
    const local = await localActor();
    const { token } = (await perform('create-token', { name: 'ci', role: 'admin' }, local)) as { token: string };
    const bearer = (await identity.authenticate({ bearer: token, from })) as Actor;
    await perform('create-user', { name: 'bob', role: 'viewer', password: PASSWORD }, local);

    await expect(
      perform('create-user', { name: 'eve', role: 'admin', password: PASSWORD }, bearer),
    ).rejects.toMatchObject({ code: 'FORBIDDEN' });
    await expect(
      perform('update-user', { name: 'bob', role: 'admin', password: PASSWORD }, bearer),
    ).rejects.toMatchObject({ code: 'FORBIDDEN' });
  });

  it('lets an agent end neither tokens nor sessions of whoever made it', async () => {
    await createAdmin(database.store, { name: 'ada', password: PASSWORD, now: clock });
    const ada = await identity.login({ name: 'ada', password: PASSWORD, from });
    const made = async (role: string): Promise<{ token: string; id: string }> =>
      await perform('create-token', { name: role, role }, ada.actor);
    const [key, tool] = [await made('operator'), await made('agent')];
    const agent = (await identity.authenticate({ bearer: tool.token, from })) as Actor;
    const operator = (await identity.authenticate({ bearer: key.token, from })) as Actor;

    await expect(perform('revoke-token', { id: key.id }, agent)).rejects.toMatchObject({ code: 'FORBIDDEN' });
    for (const token of [agent, operator])
      await expect(perform('end-session', { id: ada.actor.session }, token)).rejects.toMatchObject({
        code: 'NOT_FOUND',
      });
    expect(await identity.authenticate({ session: ada.session, from })).toMatchObject({ name: 'ada' });
  });

  it('stops recording bad tokens of one sender, so that nobody fills the log', async () => {
    for (let n = 0; n < 30; n++)
      await expect(identity.authenticate({ bearer: newToken('AAAAAAAAAAAA'), from })).rejects.toMatchObject({
        code: 'UNAUTHENTICATED',
      });

    expect(audited).toHaveLength(10);
  });

  it('gets an admin back in by the machine', async () => {
    const first = await createAdmin(database.store, { name: 'ada', now: clock });
    const second = await createAdmin(database.store, { name: 'Ada', now: clock });

    expect([first.created, second.created]).toEqual([true, false]);
    await expect(identity.login({ name: 'ada', password: first.password ?? '', from })).rejects.toMatchObject({
      code: 'UNAUTHENTICATED',
    });
    expect(await identity.login({ name: 'ada', password: second.password ?? '', from })).toMatchObject({
      actor: { role: 'admin' },
    });
  });

  it('refuses a token with a character changed, without looking it up', () => {
    fc.assert(
      fc.property(fc.integer({ min: 4, max: 54 }), (place) => {
        const token = newToken('AAAAAAAAAAAA');
        const changed = `${token.slice(0, place)}${token[place] === 'x' ? 'y' : 'x'}${token.slice(place + 1)}`;
        expect(tokenId(token)).toBe('AAAAAAAAAAAA');
        expect(tokenId(changed)).toBeUndefined();
      }),
    );
  });
});
