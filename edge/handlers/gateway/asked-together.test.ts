import { describe, expect, it } from 'vitest';
import { JWKS, REMOTE, START } from '../../testing/gateway-kit.ts';
import { signingKey } from '../../testing/forge.ts';
import { issuerKeys } from './issuer-keys.ts';
import { remoteMethod } from './remote.ts';

describe('who is asked by many at once', () => {
  function validator() {
    const waiting: { readonly token: string; readonly answer: (status: number) => void; readonly fail: () => void }[] =
      [];
    const method = remoteMethod(REMOTE, (_url, token) => {
      const { promise, resolve, reject } = Promise.withResolvers<{ status: number; body: unknown }>();
      const answer = (status: number): void => resolve({ status, body: { user_id: token } });
      waiting.push({ token, answer, fail: () => reject(new Error('no answer')) });
      return promise;
    });
    const outcomes = async (tokens: readonly string[], now: number): Promise<string[]> =>
      (await Promise.all(tokens.map((token) => method.verify(token, now)))).map(({ outcome }) => outcome);
    return { waiting, outcomes };
  }
  const tokens = (count: number): string[] => Array.from({ length: count }, (_, at) => `token-${at}`);

  it('about one token is asked once', async () => {
    const { waiting, outcomes } = validator();
    const all = outcomes(Array<string>(50).fill('same'), START);
    expect(waiting.length).toBe(1);
    waiting[0]?.answer(200);
    expect(await all).toEqual(Array<string>(50).fill('good'));
  });

  it('has no more than a hundred questions before it', async () => {
    const { waiting, outcomes } = validator();
    const all = outcomes(tokens(120), START);
    expect(waiting.length).toBe(100);
    for (const { answer } of waiting) answer(200);
    expect((await all).filter((outcome) => outcome === 'unavailable').length).toBe(20);
  });

  it('after its failures is asked by one alone, and by all again when that one had an answer', async () => {
    const { waiting, outcomes } = validator();
    const failing = outcomes(tokens(5), START);
    for (const { fail } of waiting) fail();
    await failing;
    const probing = outcomes(tokens(20), START + 10_000);
    expect(waiting.length).toBe(6);
    waiting[5]?.answer(401);
    expect(await probing).toEqual(['bad', ...Array<string>(19).fill('unavailable')]);
    const again = outcomes(tokens(20), START + 10_001);
    expect(waiting.length).toBe(26);
    for (const { answer } of waiting) answer(200);
    expect(new Set(await again)).toEqual(new Set(['good']));
  });

  it('gives its keys once', async () => {
    let fetches = 0;
    const key = signingKey('ES256', 'one');
    const keys = issuerKeys(JWKS, async () => {
      fetches += 1;
      return await Promise.resolve({ keys: [key.jwk] });
    });
    const found = await Promise.all(Array.from({ length: 50 }, () => keys.find('ES256', 'one', START)));
    expect(found.map((each) => each?.length)).toEqual(Array<number>(50).fill(1));
    expect(fetches).toBe(1);
  });
});
