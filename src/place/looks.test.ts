import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { PlaceCheck, PlaceResult } from '../../edge/handlers/probe/messages.ts';
import { CheckTarget, type ProbeResult } from '../core/check.ts';
import { createLooks } from './looks.ts';

/** A look that is answered when the test says so. */
interface Asked {
  readonly url: string;
  readonly agent: string;
  answer(): void;
}

let asked: Asked[];
let results: PlaceResult[];
let troubles: string[];
let failing: 'prober' | 'disk' | undefined;
let looks: ReturnType<typeof createLooks>;

beforeEach(() => {
  [asked, results, troubles, failing] = [[], [], [], undefined];
  looks = createLooks({
    prober: {
      probe: (target) => {
        if (failing === 'prober') return Promise.reject(new Error('no socket is left'));
        const { promise, resolve } = Promise.withResolvers<ProbeResult>();
        const { url, headers } = target as { url: string; headers: Record<string, string> };
        const seen: ProbeResult = { state: 'up', latencyMs: 1, message: url, depth: 'query', detail: {} };
        asked.push({ url, agent: headers['user-agent'] ?? '', answer: () => resolve(seen) });
        return promise;
      },
    },
    wayTo: async () => undefined,
    blame: async () => undefined,
    onResult: (result) => {
      if (failing === 'disk') throw new Error('the disk is full');
      results.push(result);
    },
    onTrouble: (reason) => troubles.push(reason),
    signal: new AbortController().signal,
  });
});
afterEach(() => looks.stop());

const check = (url: string): PlaceCheck => ({
  id: 'chk_1',
  target: CheckTarget.parse({ kind: 'http', url }),
  everyMs: 1,
  timeoutMs: 1_000,
  slowMs: 1_000,
});
const follow = (url: string, userAgent = 'one'): void =>
  looks.follow({ place: 'p', version: 1, userAgent, reportEveryMs: 1_000, checks: [check(url)] });
const nth = (index: number): Promise<Asked> =>
  vi.waitFor(() => {
    const found = asked[index];
    if (!found) throw new Error(`only ${asked.length} were asked`);
    return found;
  });

describe('looks', () => {
  it('say nothing of a target that is not the one of the configuration any more', async () => {
    follow('http://127.0.0.1/old');
    const old = await nth(0);
    follow('http://127.0.0.1/new');
    old.answer();
    (await nth(1)).answer();
    await vi.waitFor(() => expect(results.length).toBeGreaterThan(0));
    expect(results.map(({ message }) => message)).toEqual(['http://127.0.0.1/new']);
  });

  it('go on as they are where the configuration of a check did not change', async () => {
    follow('http://127.0.0.1/');
    const first = await nth(0);
    follow('http://127.0.0.1/');
    first.answer();
    await nth(1);
    expect(results).toHaveLength(1);
  });

  it('say who they are as the latest configuration has it', async () => {
    follow('http://127.0.0.1/');
    expect(await nth(0)).toMatchObject({ agent: 'one' });
    follow('http://127.0.0.1/', 'two');
    expect(await nth(1)).toMatchObject({ agent: 'two' });
  });

  it('that fail by themselves know nothing, and go on', async () => {
    failing = 'prober';
    follow('http://127.0.0.1/');
    await vi.waitFor(() => expect(results.length).toBeGreaterThan(1));
    expect(results[0]).toMatchObject({ state: 'unknown', message: 'the look itself failed: no socket is left' });
  });

  it('go on where what they saw cannot be kept', async () => {
    failing = 'disk';
    follow('http://127.0.0.1/');
    (await nth(0)).answer();
    await nth(1);
    expect(troubles).toEqual(['the disk is full']);
  });
});
