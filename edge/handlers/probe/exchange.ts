import type { HttpTarget } from './http-target.ts';

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Uint8Array;
}

/** `ended` where the time was over, before an answer began or within it. */
export type Exchanged = Answer | { readonly error: unknown } | { readonly ended: 'before' | 'within' };

const MAX_REDIRECTS = 5;
/** A longer answer is cut off here and judged by what came. */
const BODY_LIMIT = 256 * 1024;
const REPEATABLE = new Set(['GET', 'HEAD', 'OPTIONS']);

interface Asked {
  readonly url: string;
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | undefined;
}

/** One request with its redirects, within one time for all of it. */
export async function exchange(target: HttpTarget, timeoutMs: number): Promise<Exchanged> {
  const signal = AbortSignal.timeout(timeoutMs);
  const home = new URL(target.url).origin;
  let asked: Asked = {
    url: target.url,
    method: target.method ?? 'GET',
    headers: { accept: '*/*', ...target.headers },
    body: target.body,
  };
  let began = false;
  try {
    for (let redirects = 0; ; redirects += 1) {
      began = false;
      const response = await fetch(asked.url, {
        method: asked.method,
        headers: asked.headers,
        ...(asked.body !== undefined && { body: asked.body }),
        redirect: 'manual',
        // Of a runtime that has a cache between itself and others: it is who is asked that is looked at.
        cache: 'no-store',
        signal,
      });
      began = true;
      const next =
        target.followRedirects && redirects < MAX_REDIRECTS ? redirection(asked, response, home, target) : undefined;
      if (!next) return { status: response.status, headers: response.headers, body: await bodyOf(response, signal) };
      await response.body?.cancel();
      asked = next;
    }
  } catch (error) {
    if (signal.aborted) return { ended: began ? 'within' : 'before' };
    return { error };
  }
}

function redirection(from: Asked, { status, headers }: Response, home: string, first: HttpTarget): Asked | undefined {
  const location = headers.get('location');
  if (status < 300 || status > 399 || location === null) return undefined;
  const url = URL.parse(location, from.url);
  if (!url || (url.protocol !== 'http:' && url.protocol !== 'https:')) return undefined;
  const again = status === 307 || status === 308 || REPEATABLE.has(from.method);
  // Headers and body may hold credentials for the first host; they stay with it.
  const isHome = url.origin === home;
  const { 'user-agent': agent } = from.headers;
  return {
    url: url.href,
    method: again ? from.method : 'GET',
    headers: isHome
      ? { accept: '*/*', ...first.headers }
      : { accept: '*/*', ...(agent !== undefined && { 'user-agent': agent }) },
    body: isHome && again ? from.body : undefined,
  };
}

async function bodyOf(response: Response, signal: AbortSignal): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  const reader = response.body?.getReader();
  for (let part = await reader?.read(); part?.value; part = await reader?.read()) {
    chunks.push(part.value);
    size += part.value.length;
    if (size > BODY_LIMIT) {
      await reader?.cancel();
      break;
    }
  }
  signal.throwIfAborted();
  const body = new Uint8Array(size);
  let at = 0;
  for (const chunk of chunks) {
    body.set(chunk, at);
    at += chunk.length;
  }
  return body.subarray(0, BODY_LIMIT);
}
