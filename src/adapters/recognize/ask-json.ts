import { unchunked } from './chunks.ts';
import { request } from './http.ts';

const TIMEOUT_MS = 1_000;

/** What a local address answers to one GET, where that is JSON; undefined where it is anything else, or too large. */
export async function askJson(
  target: { readonly address: string; readonly port: number },
  path: string,
  signal: AbortSignal,
): Promise<unknown> {
  const answer = await request({ ...target, tls: false }, path, {
    timeoutMs: TIMEOUT_MS,
    signal,
    accept: 'application/json',
  });
  if (answer?.status !== 200) return undefined;
  const body = /chunked/i.test(answer.headers['transfer-encoding'] ?? '') ? unchunked(answer.body) : answer.body;
  try {
    return JSON.parse(body) as unknown;
  } catch {
    return undefined;
  }
}
