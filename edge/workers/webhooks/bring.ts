import type { MessageBatch, QueueMessage } from '../platform.ts';
import type { Env } from './env.ts';

/** What waits in the queue, and what Steward's `queue-webhook` takes. */
export interface Queued {
  readonly id: string;
  readonly type: string;
  readonly data: unknown;
  readonly timestamp: string;
  readonly source: string;
  readonly senderId: string | undefined;
  readonly address: string;
  /** What it is about; null where its type has an order and it says nothing. */
  readonly key?: string | null;
}

const TIMEOUT_MS = 15_000;
const LONGEST_WAIT_SECONDS = 3_600;
/** The same will be said of it the next time. 403 and 404 are not among them: a proxy whose Steward is away says that, too. */
const ABOUT_THE_MESSAGE: ReadonlySet<number> = new Set([400, 413, 415, 422]);

/** Brings each message to Steward. One that it does not take waits, or is put aside, and keeps none of the others from it. */
export async function bring({ messages }: MessageBatch, env: Env): Promise<void> {
  await Promise.all(messages.map((message) => bringOne(message, env)));
}

/** All of them together take about four days: the queues have to keep a message for longer. */
export function delaySeconds(attempts: number): number {
  return Math.min(2 ** Math.min(attempts, 20), LONGEST_WAIT_SECONDS);
}

async function bringOne(message: QueueMessage, env: Env): Promise<void> {
  try {
    const refusal = await bringTo(env, message.body);
    if (refusal !== undefined) {
      await env.DEAD.send(message.body, { contentType: 'text' });
      console.error(`webhook put in the dead queue: Steward refused it with ${refusal}`);
    }
    return message.ack();
  } catch (thrown) {
    const { attempts } = message;
    const wait = delaySeconds(attempts);
    console.error(`webhook not brought to Steward, again in ${wait} s (attempt ${attempts}): ${String(thrown)}`);
    return message.retry({ delaySeconds: wait });
  }
}

/** With what it was refused for good, where it was. Throws where it may be taken another time. */
async function bringTo(env: Env, body: unknown): Promise<number | undefined> {
  const response = await fetch(new URL('/internal/queue/add', env.STEWARD_URL), {
    method: 'POST',
    headers: { authorization: `Bearer ${env.API_SECRET}`, 'content-type': 'application/json' },
    body: String(body),
    // Nobody else is to see the secret.
    redirect: 'manual',
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  await response.body?.cancel();
  if (response.ok) return undefined;
  if (ABOUT_THE_MESSAGE.has(response.status)) return response.status;
  throw new Error(`it answered ${response.status}`);
}
