import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Actor } from '../../core/actor.ts';
import { approvalPurpose } from '../../core/identity.ts';
import { createAuthenticator } from '../../testing/authenticator.ts';
import { FROM, identityFixture, type IdentityFixture, PASSWORD } from '../../testing/identity.ts';

const ORIGIN = 'http://localhost:3000';
const PURPOSE = approvalPurpose('run_1', 'abc');

interface Options {
  readonly challenge: string;
}

describe('passkeys', () => {
  let fixture: IdentityFixture;
  let ada: Actor;
  let key: ReturnType<typeof createAuthenticator>;

  const enroll = async (actor = ada, authenticator = key, origin = ORIGIN): Promise<{ id: string }> => {
    const { options } = await fixture.perform<{ options: Options }>(
      'offer-passkey',
      { proof: { password: PASSWORD } },
      actor,
      origin,
    );
    return await fixture.perform(
      'add-passkey',
      { name: 'laptop', response: authenticator.create(options, origin) },
      actor,
      origin,
    );
  };
  const challenge = async (purpose = PURPOSE, actor = ada, origin = ORIGIN): Promise<Options> =>
    (await fixture.perform<{ options: Options }>('challenge-passkey', { purpose }, actor, origin)).options;
  const confirm = (passkey: object, purpose = PURPOSE, actor = ada) =>
    fixture.identity.confirm({ actor, proof: { passkey: passkey as never }, purpose, from: FROM });
  const refused = { code: 'UNAUTHENTICATED' };

  beforeEach(async () => {
    fixture = await identityFixture();
    ada = await fixture.person('ada');
    key = createAuthenticator();
  });
  afterEach(() => fixture.end());

  it('confirm one purpose, once, and within five minutes', async () => {
    await enroll();
    const answer = key.get(await challenge(), ORIGIN);

    expect(await confirm(answer)).toEqual({ method: 'passkey', purpose: PURPOSE, at: fixture.now() });
    await expect(confirm(answer)).rejects.toMatchObject(refused);

    await expect(confirm(key.get(await challenge(), ORIGIN), approvalPurpose('run_1', 'edited'))).rejects.toMatchObject(
      refused,
    );
    const late = key.get(await challenge(), ORIGIN);
    fixture.later(301);
    await expect(confirm(late)).rejects.toMatchObject(refused);
    expect(await confirm(key.get(await challenge(), ORIGIN))).toMatchObject({ method: 'passkey' });
  });

  it('of one person confirm nothing for another', async () => {
    await enroll();
    const bob = await fixture.person('bob');
    await enroll(bob, createAuthenticator());

    await expect(confirm(key.get(await challenge(PURPOSE, bob), ORIGIN), PURPOSE, bob)).rejects.toMatchObject(refused);
    await expect(confirm(key.get(await challenge(), ORIGIN), PURPOSE, bob)).rejects.toMatchObject(refused);
  });

  it('are good for the page they were made at, and for nobody who looks like it', async () => {
    await enroll();

    await expect(confirm(key.get(await challenge(), 'http://localhost:4000'))).rejects.toMatchObject(refused);
    await expect(challenge(PURPOSE, ada, 'https://steward.example.org')).rejects.toMatchObject({
      code: 'PRECONDITION_FAILED',
      message: expect.stringContaining('steward.example.org'),
    });
    await enroll(ada, key, 'https://steward.example.org');
    const there = await challenge(PURPOSE, ada, 'https://steward.example.org');
    expect(
      await confirm(key.get({ ...there, rpId: 'steward.example.org' }, 'https://steward.example.org')),
    ).toMatchObject({ method: 'passkey' });
  });

  it('need a device that saw who uses it, and an answer nobody touched', async () => {
    const careless = createAuthenticator({ verifiesUser: false });
    await expect(enroll(ada, careless)).rejects.toMatchObject(refused);
    await enroll();

    const answer = key.get(await challenge(), ORIGIN) as { response: { signature: string } };
    const signature = Buffer.from(answer.response.signature, 'base64url');
    signature[signature.length - 1] = (signature.at(-1) ?? 0) ^ 1;
    answer.response.signature = signature.toString('base64url');

    await expect(confirm(answer)).rejects.toMatchObject(refused);
    for (const nonsense of [{}, { id: 1 }, { response: { clientDataJSON: '%%%' } }, { response: null }])
      await expect(confirm(nonsense)).rejects.toMatchObject({ code: expect.stringMatching(/UNAUTH|RATE/) });
  });

  it('sign in, and say no more about who exists than that it did not work', async () => {
    await enroll();
    const options = (await fixture.identity.passkeyChallenge({ origin: ORIGIN })) as unknown as Options & {
      allowCredentials?: unknown[];
    };
    expect(options.allowCredentials ?? []).toEqual([]);
    const answer = key.get(options, ORIGIN);

    const signedIn = await fixture.identity.loginWithPasskey({ response: answer, from: FROM });

    expect(signedIn.actor).toMatchObject({ kind: 'user', name: 'ada', session: expect.any(String) });
    await expect(fixture.identity.loginWithPasskey({ response: answer, from: FROM })).rejects.toMatchObject(refused);
    // An answer that was given to confirm something lets nobody in.
    await expect(
      fixture.identity.loginWithPasskey({ response: key.get(await challenge(), ORIGIN), from: FROM }),
    ).rejects.toMatchObject(refused);
  });

  it('are added and removed on proof only: a session that was left open is not enough', async () => {
    const { id } = await enroll();
    const withoutProof = { code: 'CONFIRMATION_REQUIRED' };

    await expect(fixture.perform('offer-passkey', {}, ada, ORIGIN)).rejects.toMatchObject(withoutProof);
    await expect(fixture.perform('remove-passkey', { id }, ada, ORIGIN)).rejects.toMatchObject(withoutProof);
    await expect(fixture.perform('offer-passkey', { proof: { password: 'wrong' } }, ada, ORIGIN)).rejects.toMatchObject(
      refused,
    );

    const proof = { passkey: key.get(await challenge(`remove-passkey:${ada.id}`), ORIGIN) };
    await fixture.perform('remove-passkey', { id, proof }, ada, ORIGIN);
    await expect(challenge()).rejects.toMatchObject({ code: 'PRECONDITION_FAILED' });
    expect(JSON.stringify(fixture.audited)).not.toContain(PASSWORD);
  });

  it.each([
    ['http://127.0.0.1:3000', 'http://localhost:3000'],
    ['http://192.168.1.5:3000', 'by a name, with https'],
    ['http://steward.lan:3000', 'https only'],
    ['https://[::1]:3000', 'https://localhost:3000'],
  ])('cannot be used at %s, and it is said what to do', async (origin, advice) => {
    const { account } = await fixture.perform<{ account: { noPasskeys?: string } }>('account', {}, ada, origin);

    expect(account.noPasskeys).toContain(advice);
    await expect(fixture.identity.passkeyChallenge({ origin })).rejects.toMatchObject({ code: 'PRECONDITION_FAILED' });
  });

  it('lock a person out who fails five times, whatever a stranger does to the name', async () => {
    await enroll();
    for (let n = 0; n < 6; n++)
      await fixture.identity.login({ name: 'ada', password: 'wrong', from: FROM }).catch(() => undefined);
    await expect(fixture.identity.login({ name: 'ada', password: PASSWORD, from: FROM })).rejects.toMatchObject({
      code: 'RATE_LIMITED',
    });
    expect(await confirm(key.get(await challenge(), ORIGIN))).toMatchObject({ method: 'passkey' });

    for (let n = 0; n < 5; n++) await expect(confirm({ id: 'x' })).rejects.toMatchObject(refused);

    await expect(confirm(key.get(await challenge(), ORIGIN))).rejects.toMatchObject({ code: 'RATE_LIMITED' });
  });
});
