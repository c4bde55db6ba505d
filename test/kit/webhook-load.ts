import { createHmac } from 'node:crypto';
import { Agent, request } from 'node:http';
import { sleep } from './steward.ts';

/** Many senders, each with one webhook that it repeats under its own id until it is answered with 202. */
export interface WebhookLoad {
  /** Begins a new sender so often, however fast the others are answered, until it is paused. */
  go(): void;
  pause(): void;
  /** How many were answered with 202 in the last second. */
  rate(): number;
  readonly begun: number;
  /** Those whose answer was lost on its way send again: by now they have waited long enough. */
  again(): void;
  /** What each number was answered with. */
  readonly answered: ReadonlyMap<number, string>;
  /** When a number was sent again for the first time, because its sender heard no answer. */
  readonly repeated: ReadonlyMap<number, Date>;
  /** A repeat that was answered otherwise than the first; there can be none. */
  readonly contradictions: readonly string[];
  stop(): void;
}

export interface LoadOptions {
  readonly to: string;
  readonly secret: string;
  readonly perSecond: number;
  readonly bodyOf: (number: number) => object;
  /** Whose first 202 is lost on its way. */
  readonly isDeaf: (number: number) => boolean;
}

const TICK_MS = 5;
/** Beyond that nobody new begins: the receiver is away, and whoever waits comes again. */
const MOST_AT_ONCE = 2_000;
const SOCKETS = 256;
const AGAIN_MS = 250;
const ANSWER_MS = 10_000;

export function webhookLoad({ to, secret, perSecond, bodyOf, isDeaf }: LoadOptions): WebhookLoad {
  const agent = new Agent({ keepAlive: true, maxSockets: SOCKETS });
  const answered = new Map<number, string>();
  const repeated = new Map<number, Date>();
  const contradictions: string[] = [];
  /** What a sender did not hear. */
  const unheard = new Map<number, string>();
  let patience = Promise.withResolvers<void>();
  /** When the latest were answered. */
  const answers: number[] = [];
  let begun = 0;
  let atOnce = 0;
  const stopping = new AbortController();
  let going: { readonly since: number; readonly from: number } | undefined;

  async function sender(number: number): Promise<void> {
    const body = JSON.stringify(bodyOf(number));
    const headers = {
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(body),
      'x-webhook-id': `load-${number}`,
      'x-webhook-signature': createHmac('sha256', secret).update(body).digest('base64'),
    };
    atOnce += 1;
    while (!stopping.signal.aborted) {
      const { status, id } = await send(body, headers).catch(() => ({ status: undefined, id: undefined }));
      if (status === 202 && id !== undefined) {
        answers.push(performance.now());
        const before = unheard.get(number);
        if (before === undefined && isDeaf(number)) {
          unheard.set(number, id);
          // Nobody waits for it among those who come meanwhile.
          atOnce -= 1;
          await patience.promise;
          atOnce += 1;
          repeated.set(number, new Date());
          continue;
        }
        if (before !== undefined && before !== id) contradictions.push(`${number}: ${before} and ${id}`);
        answered.set(number, id);
        break;
      }
      await sleep(AGAIN_MS * (1 + Math.random()));
      if (status === undefined && !repeated.has(number)) repeated.set(number, new Date());
    }
    atOnce -= 1;
  }

  async function send(body: string, headers: object): Promise<{ status: number | undefined; id: string | undefined }> {
    const { promise, resolve, reject } = Promise.withResolvers<{
      status: number | undefined;
      id: string | undefined;
    }>();
    const asked = request(to, { agent, method: 'POST', headers: { ...headers }, timeout: ANSWER_MS });
    asked.on('timeout', () => asked.destroy(new Error('no answer')));
    asked.on('error', reject);
    asked.on('response', (response) => {
      let text = '';
      response.on('data', (chunk: Buffer) => (text += chunk.toString()));
      response.on('error', reject);
      response.on('end', () => {
        try {
          resolve({ status: response.statusCode, id: (JSON.parse(text) as { id?: string }).id });
        } catch (thrown) {
          reject(thrown);
        }
      });
    });
    asked.end(body);
    return await promise;
  }

  const ticking = setInterval(() => {
    if (!going) return;
    const due = going.from + Math.floor(((performance.now() - going.since) / 1_000) * perSecond);
    while (begun < due && atOnce < MOST_AT_ONCE) void sender((begun += 1));
    // Those who found no room do not come all at once when there is some.
    if (begun < due) going = { since: performance.now(), from: begun };
  }, TICK_MS);

  return {
    go: () => (going = { since: performance.now(), from: begun }),
    pause: () => (going = undefined),
    rate() {
      const since = performance.now() - 1_000;
      while (answers[0] !== undefined && answers[0] < since) answers.shift();
      return answers.length;
    },
    again() {
      patience.resolve();
      patience = Promise.withResolvers();
    },
    get begun() {
      return begun;
    },
    answered,
    repeated,
    contradictions,
    stop() {
      stopping.abort();
      patience.resolve();
      clearInterval(ticking);
      agent.destroy();
    },
  };
}
