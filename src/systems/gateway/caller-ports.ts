import { withoutSecrets } from '../../../edge/handlers/urls.ts';
import type { CallerPorts } from '../../../edge/handlers/gateway/callers.ts';
import type { Log } from '../../core/log.ts';

/** Requests to addresses that somebody configured, guarded. */
export interface Requests {
  request(options: {
    readonly url: string;
    readonly method?: 'GET' | 'POST';
    readonly headers?: Readonly<Record<string, string>>;
    readonly body?: string;
    readonly timeoutMs: number;
    readonly signal: AbortSignal;
    readonly maxResponseBytes: number;
    readonly allowPrivate: boolean;
  }): Promise<{ readonly status: number; readonly body: string; readonly truncated: boolean }>;
}

const LONGEST_MS = 30_000;
const KEYS_BYTES = 1024 * 1024;
const ANSWER_BYTES = 64 * 1024;

/** What others say of callers. That they do not answer is logged once, and once more when they do again. */
export function callerPorts(requests: Requests, log: Log): Omit<CallerPorts, 'digests'> {
  const silent = new Set<string>();

  async function asked<T>(url: string, work: () => Promise<T>): Promise<T> {
    try {
      const answer = await work();
      if (silent.delete(url)) log.info('who says who callers are answers again', { url: withoutSecrets(url) });
      return answer;
    } catch (thrown) {
      if (!silent.has(url))
        log.warn('who says who callers are does not answer', {
          url: withoutSecrets(url),
          reason: (thrown as Error).message,
        });
      silent.add(url);
      throw thrown;
    }
  }

  const common = { timeoutMs: LONGEST_MS, allowPrivate: true } as const;
  return {
    fetchKeys: (url, signal) =>
      asked(url, async () => {
        const { status, body, truncated } = await requests.request({
          ...common,
          url,
          signal,
          headers: { accept: 'application/json' },
          maxResponseBytes: KEYS_BYTES,
        });
        if (status !== 200) throw new Error(`it answered ${status}`);
        if (truncated) throw new Error(`its answer is longer than ${KEYS_BYTES} bytes`);
        return JSON.parse(body) as unknown;
      }),
    validate: (url, token, signal) =>
      asked(url, async () => {
        const { status, body } = await requests.request({
          ...common,
          url,
          signal,
          method: 'POST',
          headers: { 'content-type': 'application/json', accept: 'application/json' },
          body: JSON.stringify({ token }),
          maxResponseBytes: ANSWER_BYTES,
        });
        return { status, body: jsonOrNothing(body) };
      }),
  };
}

function jsonOrNothing(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
