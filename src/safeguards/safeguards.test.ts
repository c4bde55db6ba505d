import { describe, expect, it } from 'vitest';
import { StewardError } from '../core/errors.ts';
import { retried } from './retried.ts';
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
