/** The one guarded way to addresses that somebody configured, as an identity provider needs it. */
export interface Requests {
  request(options: {
    readonly url: string;
    readonly method?: 'GET' | 'POST';
    readonly headers?: Readonly<Record<string, string>>;
    readonly body?: string;
    readonly timeoutMs?: number;
    readonly maxResponseBytes?: number;
    readonly allowPrivate?: boolean;
  }): Promise<{
    readonly status: number;
    readonly headers: Readonly<Record<string, string>>;
    readonly body: string;
    readonly truncated: boolean;
  }>;
}

interface FetchOptions {
  readonly method?: string;
  readonly headers?: ConstructorParameters<typeof Headers>[0];
  readonly body?: unknown;
}

const TIMEOUT_MS = 10_000;
const LARGEST_BYTES = 524_288;
const BODILESS = new Set([204, 304]);

/** `fetch` for the libraries of OpenID Connect and JWT: no redirect is followed, and no answer is endless. */
export function guardedFetch(
  requests: Requests,
  allowPrivate: boolean,
): (url: string, options?: FetchOptions) => Promise<Response> {
  return async (url, options = {}) => {
    const body = options.body === undefined || options.body === null ? undefined : textOf(options.body);
    const answer = await requests.request({
      url,
      method: options.method === 'POST' ? 'POST' : 'GET',
      headers: Object.fromEntries(new Headers(options.headers)),
      ...(body === undefined ? {} : { body }),
      timeoutMs: TIMEOUT_MS,
      maxResponseBytes: LARGEST_BYTES,
      allowPrivate,
    });
    if (answer.truncated) throw new Error(`${new URL(url).origin} sent more than ${LARGEST_BYTES} bytes`);
    const {
      'content-length': _length,
      'transfer-encoding': _encoding,
      connection: _connection,
      ...headers
    } = answer.headers;
    return new Response(BODILESS.has(answer.status) ? null : answer.body, { status: answer.status, headers });
  };
}

function textOf(body: unknown): string {
  if (typeof body === 'string') return body;
  if (body instanceof URLSearchParams) return body.toString();
  if (body instanceof Uint8Array) return new TextDecoder().decode(body);
  throw new TypeError('only text can be sent');
}
