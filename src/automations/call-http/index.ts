import { setTimeout as sleep } from 'node:timers/promises';
import { defineAutomation } from '../../core/automation.ts';
import type { SecretReference } from '../../core/secrets.ts';
import { ms } from '../../core/duration.ts';
import { StewardError } from '../../core/errors.ts';
import { canonicalJson } from '../../core/json.ts';
import { REDACTED } from '../../core/redact.ts';
import type { CheckStatement } from '../../core/run.ts';
import { Input, Output } from './schema.ts';
import { EXCERPT, judged } from './verify.ts';

const TRIES = 3;
const BACKOFF_MS = 1_000;
const LONGEST_WAIT_MS = 30_000;
const ANSWER_BYTES = 65_536;
/** Statuses by which a server says: not now, ask again. */
const ASK_AGAIN = new Set([429, 502, 503, 504]);

type Receipt =
  | {
      readonly answered: true;
      readonly status: number;
      /** The beginning of the answer. */
      readonly answer: string;
      /** Judged when it came: what is kept of an answer is without what looks like a secret, and no longer JSON then. */
      readonly checks: readonly CheckStatement[];
      readonly attempts: number;
      readonly durationMs: number;
    }
  /** A life of this run before this one may have sent it. */
  | { readonly answered: false };

export default defineAutomation({
  name: 'call-http',
  version: 1,
  title: 'Call an address',
  summary: 'Sends one HTTP request to an address that is allowed, and proves by the answer that it worked.',
  category: 'integration',
  effect: 'write',
  priority: 'P2',
  ifMissed: 'other systems are not told',
  load: 'light',
  needs: ['http'],
  placement: 'any',
  input: Input,
  output: Output,
  examples: [
    {
      title: 'Tell a webhook',
      input: { url: 'https://hooks.example/steward', json: { message: 'The shop is open.' }, repeatable: true },
    },
    {
      title: 'Create a workspace and look whether it is there',
      input: {
        url: 'https://crm.example/workspaces/42',
        method: 'PUT',
        json: { owner: '42' },
        expectStatus: ['200-204'],
        readBack: { url: 'https://crm.example/workspaces/42', expectBody: { pointer: '/owner', equals: '42' } },
      },
    },
  ],
  // One try a step, so that a second attempt at a change means that a life before this one was interrupted in it.
  safeguards: { timeout: '5m', retry: { attempts: 1, backoff: '1s' } },

  async analyze({ input, ports }) {
    const addresses = [input.url, ...(input.readBack ? [input.readBack.url] : [])];
    const references = Object.values(input.headers).filter((value) => typeof value !== 'string');
    const permits = await Promise.all(
      addresses.map(async (url) => {
        const { refused, secrets } = await ports.http.permit(url);
        const carries = sameOrigin(url, input.url) ? references : [];
        return {
          address: shown(url),
          refused: refused ?? null,
          notForIt: carries.filter((one) => !secrets.some((other) => canonicalJson(one) === canonicalJson(other))),
        };
      }),
    );
    return { address: shown(input.url), permits };
  },

  async validate({ input }, { permits }) {
    return [
      ...permits.flatMap(({ address, refused, notForIt }) => [
        { name: `${address} may be called`, ok: refused === null, evidence: { reason: refused } },
        {
          name: `The secrets in its headers may be sent to ${address}`,
          ok: notForIt.length === 0,
          evidence: { notForIt, hint: 'Add the host with these secrets to http.allow in steward.yaml.' },
        },
      ]),
      {
        name: 'No secret stands in the request itself',
        ok: !JSON.stringify([input.url, input.headers, input.json ?? null, input.body ?? null]).includes(REDACTED),
        evidence: { hint: 'What looks like a secret is never stored: put {env: NAME} or {file: /path} into a header.' },
      },
    ];
  },

  async plan({ input }, { address }) {
    const body = bodyOf(input);
    return [
      {
        id: 'call',
        title: `${input.method} ${address}`,
        undo: 'none' as const,
        headers: Object.keys(input.headers),
        bodyBytes: body === undefined ? 0 : Buffer.byteLength(body),
        repeatable: isRepeatable(input),
      },
    ];
  },

  async execute({ input, ports, signal, run, secret, now, log }, change, { facts, attempt }): Promise<Receipt> {
    const repeatable = isRepeatable(input);
    if (attempt > 1 && !repeatable) return { answered: false };
    const body = bodyOf(input);
    const request = {
      url: input.url,
      method: input.method,
      headers: {
        ...(input.json === undefined ? {} : { 'content-type': 'application/json' }),
        ...(await resolved(input.headers, secret)),
        // The same however often it is sent.
        'idempotency-key': `${run.id}:${change.id}`,
      },
      ...(body !== undefined && { body }),
      timeoutMs: ms(input.timeout),
      limit: ANSWER_BYTES,
      repeatable,
      signal,
    };
    const begun = now().getTime();
    for (let attempts = 1; ; attempts += 1) {
      signal.throwIfAborted();
      let waitMs = BACKOFF_MS * 2 ** (attempts - 1);
      try {
        const response = await ports.http.request(request);
        const { status } = response;
        if (!repeatable || !ASK_AGAIN.has(status) || attempts >= TRIES)
          return {
            answered: true,
            status,
            answer: response.body.slice(0, EXCERPT),
            checks: judged(facts.address, response, input),
            attempts,
            durationMs: now().getTime() - begun,
          };
        waitMs = Math.max(waitMs, Number(response.headers['retry-after'] ?? 0) * 1_000 || 0);
      } catch (thrown) {
        const error = StewardError.from(thrown);
        if (!error.retryable || attempts >= TRIES) throw error;
        log.info('request is tried again', { code: error.code, attempt: attempts });
      }
      await sleep(Math.min(waitMs, LONGEST_WAIT_MS), undefined, { signal });
    }
  },

  async verify({ input, ports, signal, secret }, { facts, applied }) {
    const receipt = applied[0]?.receipt;
    const { readBack } = input;
    const statements = receipt?.answered
      ? [...receipt.checks]
      : [
          {
            name: `Whether ${facts.address} was reached is known`,
            ok: readBack !== undefined,
            evidence: {
              reason: 'Steward was interrupted while it was called, and nothing says that a second call is harmless.',
              hint: 'Look at the receiver. With repeatable, or readBack, the next such call finds out by itself.',
            },
          },
        ];
    if (!readBack) return statements;
    const found = await ports.http.request({
      url: readBack.url,
      method: 'GET',
      headers: sameOrigin(readBack.url, input.url) ? await resolved(input.headers, secret) : {},
      timeoutMs: ms(input.timeout),
      limit: ANSWER_BYTES,
      signal,
    });
    return [...statements, ...judged(shown(readBack.url), found, readBack)];
  },

  record({ facts, applied }) {
    const receipt = applied[0]?.receipt;
    const answered = receipt?.answered ? receipt : undefined;
    return {
      address: facts.address,
      status: answered?.status ?? null,
      attempts: answered?.attempts ?? 0,
      durationMs: answered?.durationMs ?? 0,
      answer: answered?.answer ?? '',
    };
  },
});

/** Without the query, which in many products is a secret. */
function shown(text: string): string {
  const { origin, pathname } = new URL(text);
  return `${origin}${pathname}`;
}

function sameOrigin(one: string, other: string): boolean {
  return new URL(one).origin === new URL(other).origin;
}

function bodyOf({ json, body }: Input): string | undefined {
  return json === undefined ? body : JSON.stringify(json);
}

function isRepeatable({ method, repeatable }: Input): boolean {
  return repeatable ?? (method === 'GET' || method === 'PUT');
}

async function resolved(
  headers: Input['headers'],
  secret: (reference: SecretReference) => Promise<string>,
): Promise<Record<string, string>> {
  const pairs = Object.entries(headers).map(async ([name, value]) => [
    name.toLowerCase(),
    typeof value === 'string' ? value : await secret(value),
  ]);
  return Object.fromEntries(await Promise.all(pairs)) as Record<string, string>;
}
