// Requests to the gateway as data, one after the other with the time at which each comes, so that any runtime can judge them.
import { type Digests, webDigests } from '../handlers/digests.ts';
import { createCallers } from '../handlers/gateway/callers.ts';
import { inPairs, toUpstream } from '../handlers/gateway/headers.ts';
import { judge } from '../handlers/gateway/judge.ts';
import { memoryCounters } from '../handlers/gateway/memory-counters.ts';
import type { HeaderOf } from '../handlers/gateway/method.ts';
import { readyRoutes } from '../handlers/gateway/ready.ts';
import type { Limits, Route } from '../handlers/gateway/routes.ts';
import type { Verdict } from '../handlers/gateway/verdict.ts';

export interface Story {
  readonly routes: readonly Route[];
  readonly limits: Limits;
  readonly steps: readonly Step[];
}

export interface Step {
  readonly at: number;
  readonly method: string;
  readonly target: string;
  readonly host: string;
  readonly address: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** So many of them at this moment, one after the other; the last one is told of. */
  readonly times?: number;
  /** All of them at once; {n} in a header is which one it is. */
  readonly together?: boolean;
  /** From here on: what is published at an address. What is not named does not answer. */
  readonly published?: Readonly<Record<string, unknown>>;
  /** From here on: what a validator says to a token. To what is not named it does not answer. */
  readonly said?: Readonly<Record<string, { readonly status: number; readonly body: unknown }>>;
}

export interface Told {
  readonly verdict: Verdict;
  /** Headers as the upstream gets them. */
  readonly sent: readonly (readonly [name: string, value: string])[];
  /** How many of this step were forwarded. */
  readonly forwarded: number;
  /** How often keys were asked for, and a validator, from the beginning. */
  readonly fetches: number;
  readonly validations: number;
}

export async function tell({ routes, limits, steps }: Story, digests: Digests = webDigests): Promise<Told[]> {
  let published: NonNullable<Step['published']> = {};
  let said: NonNullable<Step['said']> = {};
  let [fetches, validations, ids] = [0, 0, 0];
  const counters = memoryCounters();
  const callers = createCallers({
    digests,
    fetchKeys: async (url) => {
      fetches += 1;
      if (!Object.hasOwn(published, url)) throw new Error('no answer');
      return await Promise.resolve(published[url]);
    },
    validate: async (_url, token) => {
      validations += 1;
      const answer = Object.hasOwn(said, token) ? said[token] : undefined;
      if (!answer) throw new Error('no answer');
      return await Promise.resolve(answer);
    },
  });
  const ready = readyRoutes(routes, limits);
  const told: Told[] = [];
  for (const step of steps) {
    published = step.published ?? published;
    said = step.said ?? said;
    const judged = async (header: HeaderOf): Promise<Verdict> => {
      const { method, target, host, address, at } = step;
      const means = { counters, callers, now: at, newId: () => `id-${(ids += 1)}` };
      return await judge({ method, target, host, scheme: 'https', header, address }, ready, means);
    };
    const times = step.times ?? 1;
    const numbered =
      (n: number): HeaderOf =>
      (name) =>
        joined(step.headers, name)?.replaceAll('{n}', String(n));
    let verdict: Verdict | undefined;
    let forwarded = 0;
    if (step.together) {
      const verdicts = await Promise.all(Array.from({ length: times }, (_, n) => judged(numbered(n))));
      forwarded = verdicts.filter(({ is }) => is === 'forward').length;
      verdict = verdicts.at(-1);
    } else
      for (let each = 0; each < times; each += 1) {
        verdict = await judged((name) => joined(step.headers, name));
        if (verdict.is === 'forward') forwarded += 1;
      }
    if (!verdict) throw new Error('A step is of one request at least.');
    const sent = verdict.is === 'forward' ? inPairs(toUpstream(step.headers.flat(), verdict.request)) : [];
    told.push({ verdict, sent, forwarded, fetches, validations });
  }
  return told;
}

function joined(headers: Step['headers'], name: string): string | undefined {
  const values = headers.filter(([each]) => each.toLowerCase() === name).map(([, value]) => value);
  return values.length === 0 ? undefined : values.join(', ');
}
