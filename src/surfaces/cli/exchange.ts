import type { IncomingMessage, RequestOptions } from 'node:http';

export interface Asked {
  readonly method?: 'GET' | 'POST';
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | undefined;
  readonly signal: AbortSignal;
}

/**
 * One request; resolves with the answer when it begins, as text that arrives. A redirection is an answer like any other and
 * not followed: the credential is for this address alone. It is node:http, because fetch takes longer to load than the
 * whole command line.
 */
export async function exchange(
  url: string,
  { method = 'GET', headers, body, signal }: Asked,
): Promise<IncomingMessage> {
  const { request } = url.startsWith('https:') ? await import('node:https') : await import('node:http');
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const length = body === undefined ? {} : { 'content-length': Buffer.byteLength(body) };
  const options: RequestOptions = { method, headers: { ...headers, ...length }, signal };
  const asked = request(url, options, (answer) => resolve(answer.setEncoding('utf8')));
  asked.on('error', reject);
  asked.end(body);
  return await promise;
}

/** All of an answer. */
export async function textOf(answer: IncomingMessage): Promise<string> {
  let text = '';
  for await (const piece of answer) text += piece;
  return text;
}

export function isOk({ statusCode = 0 }: IncomingMessage): boolean {
  return statusCode >= 200 && statusCode < 300;
}

/** Why nothing came: the code of the system where there is one. */
export function reasonOf(cause: unknown): string {
  const { code, message } = cause as NodeJS.ErrnoException;
  return code ?? message;
}
