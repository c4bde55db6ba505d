import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type TestDatabase, testDatabase } from '../testing/database.ts';
import type { Actor } from '../core/actor.ts';
import type { AuditEntry } from '../core/audit.ts';
import type { Confirmation } from '../core/identity.ts';
import { perform } from '../surfaces/perform.ts';
import { admit, assertWelcome, createInvitations, type Invitations } from './join.ts';
import type { OperationDeps } from './operation-deps.ts';
import { nodeOperations } from './operations-nodes.ts';
import { engineMigrations } from './tables.ts';

const VAULT = 'ab'.repeat(32);
const HOUR = 3_600_000;
const node = (id: string, token?: string) => ({ id, name: `${id}.example`, version: '1', token });

let database: TestDatabase;
let invitations: Invitations;

beforeEach(async () => {
  database = await testDatabase({ migrations: engineMigrations });
  invitations = createInvitations({ store: database.store, vaultKey: VAULT, publicUrl: () => 'https://one.example' });
}, 60_000);
afterEach(() => database.drop());

const invite = async (expiresMs = HOUR) => (await invitations.create({ expiresMs, by: 'ada' })).token;
const enter = async (id: string, token?: string) => {
  await assertWelcome(database.store.db, node(id, token));
  return await admit(database.store, node(id, token));
};

describe('a node that comes to a store', () => {
  it('is welcome as the first, and from then on as itself', async () => {
    expect(await enter('one')).toEqual({ how: 'first' });
    expect(await enter('one')).toEqual({ how: 'known' });
  });

  it('is the first only once, however many come at the same moment', async () => {
    const came = await Promise.allSettled(['a', 'b', 'c', 'd'].map((id) => admit(database.store, node(id))));

    expect(came.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  });

  it('brings a token otherwise, and is given what the others have', async () => {
    await enter('one');
    await expect(enter('two')).rejects.toMatchObject({
      code: 'FORBIDDEN',
      message: expect.stringContaining('two.example was not invited'),
    });
    const token = await invite();

    expect(await enter('two', token)).toMatchObject({
      how: 'invited',
      handOver: { databaseUrl: database.databaseUrl, vaultKey: VAULT },
    });
    expect(await enter('two')).toEqual({ how: 'known' });
  });

  it.each<[string, () => Promise<string>, RegExp]>([
    [
      'was used',
      async () => {
        const token = await invite();
        await enter('two', token);
        return token;
      },
      /was used by another node/,
    ],
    [
      'has expired',
      async () => {
        const token = await invite();
        await database.store.pool.query("update node_invites set expires_at = clock_timestamp() - interval '1 second'");
        return token;
      },
      /has expired/,
    ],
    ['was made up', async () => `stwj_${'0'.repeat(20)}_${'1'.repeat(64)}`, /is not one of this store/],
    [
      'has another secret',
      async () => (await invite()).replace(/.{8}$/, (end) => (end === '00000000' ? '11111111' : '00000000')),
      /is not one of this store/,
    ],
    ['is cut short', async () => (await invite()).slice(0, -1), /is no token to join with/],
  ])('is refused where its token %s', async (_what, tokenOf, why) => {
    await enter('one');
    const token = await tokenOf();

    await expect(enter('three', token)).rejects.toThrow(why);

    const { rows } = await database.store.pool.query("select from nodes where id = 'three'");
    expect(rows).toEqual([]);
  });

  it('needs its token again after it was removed', async () => {
    await enter('one');
    const token = await invite();
    await enter('two', token);
    await database.store.pool.query("delete from nodes where id = 'two'");

    await expect(enter('two', token)).rejects.toThrow(/was used before/);
  });
});

describe('an invitation', () => {
  it('keeps nothing in the store that opens it', async () => {
    const token = await invite();
    const [, id = '', secret = ''] = token.split('_');

    const stored = JSON.stringify((await database.store.pool.query('select * from node_invites')).rows);

    expect([stored.includes(secret), stored.includes(VAULT), stored.includes(database.databaseUrl)]).toEqual([
      false,
      false,
      false,
    ]);
    expect(await invitations.sealed(id)).toEqual(expect.any(String));
  });

  it('is handed out to nobody once it was used', async () => {
    await enter('one');
    const token = await invite();
    await enter('two', token);

    expect(await invitations.sealed(token.split('_')[1] ?? '')).toBeUndefined();
  });

  it('says what else the new machine needs', async () => {
    expect(await invitations.create({ expiresMs: HOUR, by: 'ada' })).toMatchObject({
      command: expect.stringMatching(/^steward node join https:\/\/one\.example --token stwj_/),
      note: expect.stringContaining('names this machine itself'),
    });
    const other = 'postgresql://steward:x@db.example/steward';
    expect(await invitations.create({ expiresMs: HOUR, by: 'ada', databaseUrl: other })).not.toHaveProperty('note');
    const alone = createInvitations({ store: database.store, vaultKey: VAULT, publicUrl: () => undefined });
    expect(await alone.create({ expiresMs: HOUR, by: 'ada', databaseUrl: other })).toMatchObject({
      command: expect.stringContaining('--database-url "$STEWARD_DATABASE_URL"'),
      note: expect.stringContaining('No other machine reaches this Steward'),
    });
  });
});

describe('inviting', () => {
  const token: Actor = { kind: 'token', id: 'token:ci', name: 'ci', role: 'admin' };
  const machine: Actor = { ...token, id: 'token:local' };
  const person: Actor = { kind: 'user', id: 'u1', name: 'ada', role: 'admin', session: 's1' };
  const databaseUrl = 'postgresql://steward:hunter2@db.example/steward';
  let audited: AuditEntry[];

  async function asked(actor: Actor, input: object = {}): Promise<unknown> {
    const deps = {
      invitations,
      nodes: { list: async () => [] },
      async confirm({ purpose }: { purpose: string }): Promise<Confirmation> {
        return { method: 'password', purpose, at: new Date() };
      },
    } as unknown as OperationDeps;
    const operation = nodeOperations(deps).find(({ name }) => name === 'node-invite');
    if (!operation) throw new Error('there is no node-invite');
    const call = { actor, now: new Date(), from: 'test', requestId: 'r1' };
    return await perform(operation, input, call, { append: async (entry) => void audited.push(entry) });
  }
  beforeEach(() => void (audited = []));

  it('takes the machine itself, or a person who shows that it is them: it hands out what opens the store', async () => {
    await expect(asked(token)).rejects.toMatchObject({ code: 'FORBIDDEN' });
    await expect(asked(person)).rejects.toMatchObject({ code: 'CONFIRMATION_REQUIRED' });

    expect(await asked(machine)).toMatchObject({ token: expect.stringMatching(/^stwj_/) });
    expect(await asked(person, { proof: { password: 'correct horse' } })).toHaveProperty('token');
  });

  it('leaves the address of the database out of the record', async () => {
    await asked(machine, { databaseUrl });

    expect(audited).not.toEqual([]);
    expect(JSON.stringify(audited)).not.toContain('hunter2');
  });
});
