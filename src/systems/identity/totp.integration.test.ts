import { Secret, TOTP } from 'otpauth';
import { decodeQR } from 'qr/decode.js';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Actor } from '../../core/actor.ts';
import { createAdmin } from './accounts.ts';
import { FROM, identityFixture, type IdentityFixture, PASSWORD } from '../../testing/identity.ts';
import { createVault } from '../../adapters/vault/index.ts';

describe('the authenticator app', () => {
  let fixture: IdentityFixture;
  let ada: Actor;
  let codes: string[];
  let secret: string;
  let uri: string;
  let qr: string[];

  const codeAt = (seconds = 0): string =>
    new TOTP({ secret: Secret.fromBase32(secret) }).generate({ timestamp: fixture.now().getTime() + seconds * 1_000 });
  const login = (code?: string, password = PASSWORD) =>
    fixture.identity.login({ name: 'ada', password, code, from: FROM });
  const wrong = { code: 'UNAUTHENTICATED' };

  beforeEach(async () => {
    fixture = await identityFixture();
    ada = await fixture.person('ada');
    const proof = { password: PASSWORD };
    const enrolled = await fixture.perform<{ secret: string; uri: string; qr: string[] }>(
      'enroll-authenticator',
      { proof },
      ada,
    );
    ({ secret, uri, qr } = enrolled);
    const confirmed = await fixture.perform<{ recoveryCodes: string[] }>(
      'confirm-authenticator',
      { code: codeAt() },
      ada,
    );
    codes = confirmed.recoveryCodes;
  });
  afterEach(() => fixture.end());

  it('is asked for its code once it was confirmed, and a code is good once', async () => {
    expect(uri).toMatch(/^otpauth:\/\/totp\/Steward:ada\?issuer=Steward&secret=[A-Z2-7]{32}&/);
    await expect(login()).rejects.toMatchObject({ code: 'CONFIRMATION_REQUIRED' });
    await expect(login(codeAt())).rejects.toMatchObject(wrong);

    fixture.later(30);
    const code = codeAt();
    expect(await login(code)).toMatchObject({ actor: { name: 'ada' } });
    await expect(login(code)).rejects.toMatchObject(wrong);
    await expect(login(codeAt(-30))).rejects.toMatchObject(wrong);
  });

  it('gives its key as a picture that a camera reads', () => {
    const scale = 4;
    const size = qr.length * scale;
    const data = new Uint8Array(size * size * 4).map((_, index) => {
      const pixel = Math.floor(index / 4);
      const row = qr[Math.floor(pixel / size / scale)];
      return index % 4 === 3 || row?.[Math.floor((pixel % size) / scale)] !== '#' ? 255 : 0;
    });

    expect(decodeQR({ width: size, height: size, data })).toBe(uri);
  });

  it('may be half a minute off, and no more', async () => {
    fixture.later(300);
    await expect(login(codeAt(-60))).rejects.toMatchObject(wrong);
    await expect(login(codeAt(60))).rejects.toMatchObject(wrong);
    expect(await login(codeAt(-30))).toBeTruthy();
    expect(await login(codeAt(30))).toBeTruthy();
  });

  it('accepts one code of two who send it at the same instant', async () => {
    fixture.later(30);

    const outcomes = await Promise.allSettled([login(codeAt()), login(codeAt())]);

    expect(outcomes.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected']);
  });

  it('says nothing about the code to who does not know the password', async () => {
    fixture.later(30);
    await expect(login(codeAt(), 'wrong')).rejects.toMatchObject({ message: 'Name or password is wrong.' });
    expect(await login(codeAt())).toBeTruthy();
  });

  it('cannot be guessed at: five wrong codes lock the name, and asking without one gives no new tries', async () => {
    for (let n = 0; n < 5; n++) {
      await expect(login()).rejects.toMatchObject({ code: 'CONFIRMATION_REQUIRED' });
      await expect(login('000000')).rejects.toMatchObject(wrong);
    }
    fixture.later(30);

    await expect(login(codeAt())).rejects.toMatchObject({ code: 'RATE_LIMITED' });
  });

  it('is replaced by a recovery code, each of which works once', async () => {
    expect(codes).toHaveLength(10);
    const [first = ''] = codes;
    expect(await login(first.toUpperCase())).toBeTruthy();
    await expect(login(first)).rejects.toMatchObject(wrong);

    const { account } = await fixture.perform<{ account: object }>('account', {}, ada);
    expect(account).toMatchObject({ authenticator: true, recoveryCodes: 9 });
    fixture.later(60);
    const proof = { password: PASSWORD, code: codeAt() };
    const renewed = await fixture.perform<{ recoveryCodes: string[] }>('renew-recovery-codes', { proof }, ada);
    await expect(login(codes[1])).rejects.toMatchObject(wrong);
    expect(await login(renewed.recoveryCodes[0])).toBeTruthy();
  });

  it('is part of what confirms an approval', async () => {
    fixture.later(30);
    const confirm = (proof: { password: string; code?: string }) =>
      fixture.identity.confirm({ actor: ada, proof, purpose: 'approve:r:h', from: FROM });

    await expect(confirm({ password: PASSWORD })).rejects.toMatchObject({ code: 'CONFIRMATION_REQUIRED' });
    await expect(confirm({ password: PASSWORD, code: '000000' })).rejects.toMatchObject(wrong);
    const code = codeAt();
    expect(await confirm({ password: PASSWORD, code })).toMatchObject({ method: 'password' });
    await expect(confirm({ password: PASSWORD, code })).rejects.toMatchObject(wrong);
  });

  it('stands sealed in the database, and can be read by no other key', async () => {
    const { rows } = await fixture.database.store.pool.query<{ all: string }>(
      'select row_to_json(t)::text as all from user_totp t union all select row_to_json(c)::text from user_recovery_codes c',
    );
    const dump = JSON.stringify(rows);
    expect(dump).not.toContain(secret);
    for (const code of codes) expect(dump).not.toContain(code.replaceAll('-', ''));

    const elsewhere = fixture.open({ vault: createVault({ key: Buffer.alloc(32, 7) }) });
    fixture.later(30);
    const there = (code: string) => elsewhere.login({ name: 'ada', password: PASSWORD, code, from: FROM });
    await expect(there(codeAt())).rejects.toMatchObject({ code: 'PRECONDITION_FAILED' });
    expect(await there(codes[3] ?? '')).toBeTruthy();
  });

  it('is not asked for before it was confirmed', async () => {
    await fixture.person('bob');
    const bob = () => fixture.identity.login({ name: 'bob', password: PASSWORD, from: FROM });
    await fixture.perform('enroll-authenticator', { proof: { password: PASSWORD } }, (await bob()).actor);

    expect(await bob()).toMatchObject({ actor: { name: 'bob' } });
  });

  it('is reset by an admin, on the record, or by whoever holds the machine', async () => {
    const bob = await fixture.person('bob');
    const reset = (input: object) => fixture.perform('reset-second-factor', { name: 'ada', ...input }, bob);
    await expect(reset({})).rejects.toMatchObject({ code: 'CONFIRMATION_REQUIRED' });
    await reset({ proof: { password: PASSWORD } });
    expect(fixture.audited.map(({ action }) => action)).toContain('command.reset-second-factor');
    expect(await login()).toBeTruthy();

    const proof = { password: PASSWORD };
    ada = (await login()).actor;
    ({ secret } = await fixture.perform<{ secret: string }>('enroll-authenticator', { proof }, ada));
    await fixture.perform('confirm-authenticator', { code: codeAt() }, ada);
    await createAdmin(fixture.database.store, { name: 'ada', password: PASSWORD, now: fixture.now() });
    expect(await login()).toBeTruthy();
  });

  it('leaves neither secret nor code in the audit', async () => {
    const recorded = JSON.stringify(fixture.audited);

    expect(recorded).not.toContain(secret);
    expect(recorded).not.toContain(PASSWORD);
    expect(recorded).not.toMatch(/"code":"\d{6}"/);
  });
});
