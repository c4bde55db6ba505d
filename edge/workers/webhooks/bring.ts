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
}

const TIMEOUT_MS = 15_000;
const LONGEST_WAIT_SECONDS = 3_600;

/** Brings each message to Steward. One that it does not take waits, and keeps none of the others from it. */
export async function bring({ messages }: MessageBatch, env: Env): Promise<void> {
  await Promise.all(messages.map((message) => bringOne(message, env)));
}

async function bringOne(message: QueueMessage, env: Env): Promise<void> {
  const problem = await problemOf(message, env);
  if (problem === undefined) return message.ack();
  const delaySeconds = Math.min(2 ** Math.min(message.attempts, 20), LONGEST_WAIT_SECONDS);
  console.error(`webhook not brought to Steward, again in ${delaySeconds} s (attempt ${message.attempts}): ${problem}`);
  return message.retry({ delaySeconds });
}

async function problemOf({ body }: QueueMessage, env: Env): Promise<string | undefined> {
  try {
    const response = await fetch(new URL('/internal/queue/add', env.STEWARD_URL), {
      method: 'POST',
      headers: { authorization: `Bearer ${env.API_SECRET}`, 'content-type': 'application/json' },
      body: String(body),
      // Nobody else is to see the secret.
      redirect: 'manual',
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    await response.body?.cancel();
    return response.ok ? undefined : `it answered ${response.status}`;
  } catch (thrown) {
    return String(thrown);
  }
}
