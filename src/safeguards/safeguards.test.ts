import { describe, expect, it } from 'vitest';
import { StewardError } from '../core/errors.ts';
import { memoryLog } from '../testing/log.ts';
import { fallback } from './fallback.ts';
import { guardedHttp } from './guarded-http.ts';
import { retried } from './retried.ts';
import { createRetryBudget } from './retry-budget.ts';
import { timed } from './timed.ts';
import { guarded } from './work.ts';

const quiet = () => new AbortController().signal;
const flaky = (failures: number, error: () => Error) => {
  let calls = 0;
  return {
    calls: () => calls,
    work: async () => {
      calls += 1;
      if (calls <= failures) throw error();
      return calls;
    },
  };
};
const unavailable = () => new StewardError('UNAVAILABLE', 'not now');

describe('retried', () => {
  const thrice = retried({ attempts: 3, backoffMs: 1 });

  it('tries again what can get better by itself, as often as it may', async () => {
    expect(await thrice(flaky(2, unavailable).work)(quiet())).toBe(3);
    const hopeless = flaky(9, unavailable);
    await expect(thrice(hopeless.work)(quiet())).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    expect(hopeless.calls()).toBe(3);
  });

  it('tries once what will not get better', async () => {
    const wrong = flaky(1, () => new StewardError('INPUT_INVALID', 'wrong'));
    await expect(thrice(wrong.work)(quiet())).rejects.toMatchObject({ code: 'INPUT_INVALID' });
    expect(wrong.calls()).toBe(1);
  });

  it('ends the pause between two tries at once when it is told to stop', async () => {
    const stop = new AbortController();
    const patient = retried({ attempts: 3, backoffMs: 60_000, onRetry: () => stop.abort(new Error('stop')) });
    await expect(patient(flaky(9, unavailable).work)(stop.signal)).rejects.toThrow('stop');
  });

  it('does not begin after the signal', async () => {
    const never = flaky(0, unavailable);
    await expect(thrice(never.work)(AbortSignal.abort(new Error('too late')))).rejects.toThrow('too late');
    expect(never.calls()).toBe(0);
  });
});

describe('a retry', () => {
  it('is never made of what an open circuit breaker refused', async () => {
    const open = flaky(9, () => new StewardError('BREAKER_OPEN', 'Circuit breaker is OPEN: x', { retryable: true }));
    await expect(retried({ attempts: 3, backoffMs: 1 })(open.work)(quiet())).rejects.toMatchObject({
      code: 'BREAKER_OPEN',
    });
    expect(open.calls()).toBe(1);
  });

  it('is refused where the budget of all is used up, and the error says so', async () => {
    let at = 0;
    const budget = createRetryBudget({ now: () => new Date(at), share: 0.2, perMinute: 10 });
    const thrice = retried({ attempts: 3, backoffMs: 1, budget });
    let tries = 0;
    const storm = async (calls: number): Promise<unknown> => {
      let last: unknown;
      for (let call = 0; call < calls; call++) {
        const hopeless = flaky(9, unavailable);
        last = await thrice(hopeless.work)(quiet()).catch((thrown: unknown) => thrown);
        tries += hopeless.calls();
      }
      return last;
    };
    const last = await storm(100);
    // Without the budget it were 300: ten retries are free, and a hundred calls earn twenty.
    expect(tries).toBe(130);
    expect(last).toMatchObject({ code: 'UNAVAILABLE', retryable: false });
    expect((last as Error).message).toMatch(/^not now It was not tried again: .*20 % of its calls and 10 a minute/);

    at += 60_000;
    tries = 0;
    await storm(5);
    expect(tries).toBe(15);
  });

  it('takes nothing from the budget where the work succeeds or is not tried again', async () => {
    const budget = createRetryBudget({ now: () => new Date(0), share: 0, perMinute: 2 });
    const twice = retried({ attempts: 2, backoffMs: 1, budget });
    for (let call = 0; call < 5; call++) {
      expect(await twice(flaky(0, unavailable).work)(quiet())).toBe(1);
      await expect(twice(flaky(1, () => new StewardError('INPUT_INVALID', 'x')).work)(quiet())).rejects.toBeInstanceOf(
        StewardError,
      );
    }
    expect(await twice(flaky(1, unavailable).work)(quiet())).toBe(2);
    // Fails twice, and was worth one retry only.
    await expect(twice(flaky(2, unavailable).work)(quiet())).rejects.toThrow(/^not now$/);
    expect(budget.take()).toBe(false);
  });
});

describe('a fallback', () => {
  it('stands in with a warning where the work fails, and is not asked otherwise', async () => {
    const log = memoryLog();
    const other = (error: StewardError): string => `instead, after ${error.code}`;
    expect(await fallback(async () => 'the work', other, { log, what: 'it' })).toBe('the work');
    expect(log.lines).toEqual([]);
    expect(await fallback(flaky(1, unavailable).work as () => Promise<never>, other, { log, what: 'it' })).toBe(
      'instead, after UNAVAILABLE',
    );
    expect(log.lines).toMatchObject([
      { level: 'warn', fields: { what: 'it', code: 'UNAVAILABLE', reason: 'not now' } },
    ]);
  });
});

describe('guarded requests', () => {
  /** A breaker that only writes down what it is asked. */
  function recording() {
    const seen: { name: string; failed: boolean }[] = [];
    return {
      seen,
      list: async () => [],
      reset: async () => await Promise.reject(new Error('not asked')),
      async around<T>(
        name: string,
        work: () => Promise<T>,
        { isFailure }: { isFailure?: ((outcome: { value: T } | { error: StewardError }) => boolean) | undefined } = {},
      ): Promise<T> {
        const outcome = await work().then(
          (value) => ({ value }),
          (thrown: unknown) => ({ error: StewardError.from(thrown) }),
        );
        seen.push({ name, failed: isFailure?.(outcome) ?? false });
        if ('error' in outcome) throw outcome.error;
        return outcome.value;
      },
    };
  }
  const permit = async () => ({ refused: undefined, secrets: [] });
  const answering = (status: number) => ({
    permit,
    request: async ({ url }: { url: string }) => ({ status, headers: {}, body: '', truncated: false, url }),
  });
  const get = (url: string) => ({ method: 'GET' as const, url, timeoutMs: 1_000 });

  it('have a breaker for each host, which counts what the host cannot do and not what it does not want', async () => {
    const breakers = recording();
    await guardedHttp(answering(200), breakers).request(get('https://shop.example/a?token=secret'));
    await guardedHttp(answering(404), breakers).request(get('https://shop.example:8443/b'));
    expect((await guardedHttp(answering(503), breakers).request(get('http://user:pw@shop.example/c'))).status).toBe(
      503,
    );
    const refused = {
      permit,
      request: async () => await Promise.reject(new StewardError('POLICY_REFUSED', 'private')),
    };
    await expect(guardedHttp(refused, breakers).request(get('http://10.0.0.1/'))).rejects.toThrow('private');
    const away = { permit, request: async () => await Promise.reject(unavailable()) };
    await expect(guardedHttp(away, breakers).request(get('http://away.example/'))).rejects.toThrow('not now');
    expect(breakers.seen).toEqual([
      { name: 'http:shop.example', failed: false },
      { name: 'http:shop.example:8443', failed: false },
      { name: 'http:shop.example', failed: true },
      { name: 'http:10.0.0.1', failed: false },
      { name: 'http:away.example', failed: true },
    ]);
  });
});

describe('timed', () => {
  it('fails work that takes too long, and tells it to stop', async () => {
    let told = false;
    const slow = (signal: AbortSignal) =>
      new Promise((_resolve, reject) =>
        signal.addEventListener('abort', () => reject(new Error(`told ${(told = true)}`))),
      );
    await expect(timed(10, 'the work')(slow)(quiet())).rejects.toMatchObject({
      code: 'TIMEOUT',
      message: 'the work took longer than 10ms.',
    });
    expect(told).toBe(true);
  });

  it('leaves work behind that does not listen', async () => {
    const deaf = () => new Promise(() => undefined);
    await expect(timed(10, 'the work', 10)(deaf)(quiet())).rejects.toMatchObject({ code: 'TIMEOUT' });
  });

  it('gives what the work gives, and its errors as they are', async () => {
    expect(await timed(1_000, 'x')(async () => 7)(quiet())).toBe(7);
    await expect(
      timed(
        1_000,
        'x',
      )(async () => {
        throw unavailable();
      })(quiet()),
    ).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  });

  it('fails with the reason of the caller where the caller stops it', async () => {
    const stop = new AbortController();
    const running = timed(10_000, 'x', 10)(() => new Promise(() => undefined))(stop.signal);
    stop.abort(new StewardError('CANCELED', 'by hand'));
    await expect(running).rejects.toMatchObject({ code: 'CANCELED', message: 'by hand' });
  });
});

describe('guarded', () => {
  it('limits each attempt and not all of them together', async () => {
    let calls = 0;
    const second = async (signal: AbortSignal) => {
      calls += 1;
      if (calls > 1) return calls;
      return await new Promise<number>((_resolve, reject) =>
        signal.addEventListener('abort', () => reject(new Error('told'))),
      );
    };
    expect(await guarded(retried({ attempts: 2, backoffMs: 1 }), timed(20, 'x'))(second)(quiet())).toBe(2);
  });
});
