import { afterEach, describe, expect, it, vi } from 'vitest';
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

  describe('and was cut off with the request that asked', () => {
    const never = () => new Promise<never>(() => undefined);
    afterEach(() => vi.useRealTimers());

    it('is waited for no longer than it may take, and asked again', async () => {
      vi.useFakeTimers();
      const { waiting, outcomes } = validator();
      void outcomes(['same'], START);
      const next = outcomes(['same'], START + 500);
      await vi.advanceTimersByTimeAsync(REMOTE.timeoutMs + 1_000);
      expect(await next).toEqual(['unavailable']);
      const later = outcomes(['same'], START + 2_500);
      expect(waiting.length).toBe(2);
      waiting[1]?.answer(200);
      expect(await later).toEqual(['good']);
      // What ends after all takes nothing from who asks since.
      const third = outcomes(['same'], START + 2_600);
      waiting[0]?.answer(200);
      expect(outcomes(['same'], START + 2_700)).toBeInstanceOf(Promise);
      expect(waiting.length).toBe(3);
      waiting[2]?.answer(200);
      expect(await third).toEqual(['good']);
    });

    it('takes none of the hundred places', async () => {
      const { waiting, outcomes } = validator();
      void outcomes(tokens(100), START);
      expect(await outcomes(['other'], START + 1_000)).toEqual(['unavailable']);
      const other = outcomes(['other'], START + 2_000);
      expect(waiting.length).toBe(101);
      waiting[100]?.answer(200);
      expect(await other).toEqual(['good']);
    });

    it('gives its keys to who comes later', async () => {
      vi.useFakeTimers();
      const key = signingKey('ES256', 'one');
      const answers = [never, () => Promise.resolve({ keys: [key.jwk] })];
      const keys = issuerKeys(JWKS, async () => await (answers.shift() ?? never)());
      void keys.find('ES256', 'one', START);
      const next = keys.find('ES256', 'one', START + 1_000);
      await vi.advanceTimersByTimeAsync(6_000);
      expect(await next).toBeUndefined();
      expect(await keys.find('ES256', 'one', START + 6_000)).toHaveLength(1);
    });

    it('is begun so that it goes on after its request', () => {
      const lasting: Promise<unknown>[] = [];
      const keys = issuerKeys(JWKS, never, (work) => lasting.push(work));
      expect(keys.version(START)).toBeUndefined();
      expect(lasting).toHaveLength(1);
    });
  });
});
