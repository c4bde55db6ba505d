import { Agent, request } from 'undici';
import { StewardError } from '../../core/errors.ts';
import { type Lookup, resolveAllowed, systemLookup } from './resolve.ts';

export interface OutboundRequest {
  readonly url: string;
  readonly method?: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** Names, connection, answer and redirects together. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
  /** What is beyond is not read. */
  readonly maxResponseBytes?: number;
  /** An operator meant an address on this machine or in a private network. Metadata addresses stay forbidden. */
  readonly allowPrivate?: boolean | ((url: URL) => boolean);
  /**
   * GET and HEAD only; each further address is checked like the first, and one of another origin is sent none of the
   * headers. None by default.
   */
  readonly maxRedirects?: number;
}

export interface OutboundResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly truncated: boolean;
  /** Where it came from in the end. */
  readonly url: string;
}

/** The one way by which Steward requests an address that somebody configured. */
export interface Outbound {
  /** Any status is an answer. FORBIDDEN where the address must not be called, UNAVAILABLE or TIMEOUT where nothing answers. */
  request(options: OutboundRequest): Promise<OutboundResponse>;
  /** For protocols other than HTTP: an address to connect to in place of the name. */
  resolve(hostname: string, options: { readonly allowPrivate: boolean }): Promise<string>;
  /** For those who connect by themselves: all addresses that the name has, every one of them allowed. */
  addresses(
    hostname: string,
    options: { readonly allowPrivate: boolean; readonly allowLinkLocal?: boolean },
  ): Promise<readonly string[]>;
}

const TIMEOUT_MS = 10_000;
const RESPONSE_BYTES = 65_536;

export function createOutbound({ lookup = systemLookup }: { readonly lookup?: Lookup } = {}): Outbound {
  return {
    async request(options) {
      const deadline = AbortSignal.timeout(options.timeoutMs ?? TIMEOUT_MS);
      const signal = options.signal ? AbortSignal.any([options.signal, deadline]) : deadline;
      const { method = 'GET' } = options;
      let url = parse(options.url);
      let { headers = {} } = options;
      for (let left = method === 'GET' || method === 'HEAD' ? (options.maxRedirects ?? 0) : 0; ; left -= 1) {
        try {
          const response = await interruptible(one(url, { ...options, headers }, signal, lookup), signal);
          const { location } = response.headers;
          if (left <= 0 || response.status < 300 || response.status > 399 || location === undefined) return response;
          const next = parse(location, url);
          if (next.origin !== url.origin) headers = {};
          url = next;
        } catch (thrown) {
          throw translate(thrown, url, options.signal?.aborted === true);
        }
      }
    },
    async resolve(hostname, { allowPrivate }) {
      return (await resolveAllowed(hostname, { allowPrivate, lookup }))[0];
    },
    async addresses(hostname, allowed) {
      return await resolveAllowed(hostname, { ...allowed, lookup });
    },
  };
}

async function one(url: URL, options: OutboundRequest, signal: AbortSignal, lookup: Lookup): Promise<OutboundResponse> {
  const { allowPrivate = false } = options;
  const addresses = await resolveAllowed(url.hostname, {
    allowPrivate: typeof allowPrivate === 'function' ? allowPrivate(url) : allowPrivate,
    lookup,
  });
  // The connection goes to the addresses that were checked; the name is used for TLS and the Host header only.
  const dispatcher = new Agent({
    connect: {
      lookup: (_hostname, asked, give) => {
        const found = addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }));
        if (asked.all) give(null, found);
        else give(null, found[0]?.address ?? '', found[0]?.family);
      },
    },
  });
  try {
    const { statusCode, headers, body } = await request(`${url.origin}${url.pathname}${url.search}`, {
      dispatcher,
      signal,
      method: options.method ?? 'GET',
      headers: { 'user-agent': 'steward', ...authorization(url), ...options.headers },
      ...(options.body === undefined ? {} : { body: options.body }),
    });
    const { text, truncated } = await read(body, options.maxResponseBytes ?? RESPONSE_BYTES);
    return { status: statusCode, headers: flat(headers), body: text, truncated, url: url.href };
  } finally {
    await dispatcher.destroy();
  }
}

async function read(body: AsyncIterable<Buffer>, atMost: number): Promise<{ text: string; truncated: boolean }> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of body) {
    chunks.push(chunk.subarray(0, atMost - size));
    size += chunk.length;
    // Leaving the loop ends the response.
    if (size > atMost) return { text: Buffer.concat(chunks).toString(), truncated: true };
  }
  return { text: Buffer.concat(chunks).toString(), truncated: false };
}

/** Looking up a name cannot be interrupted; waiting for it can. */
async function interruptible<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const interrupted = Promise.withResolvers<never>();
  const stop = (): void => interrupted.reject(signal.reason);
  if (signal.aborted) stop();
  else signal.addEventListener('abort', stop, { once: true });
  work.catch(() => undefined); // it may fail after the interruption
  try {
    return await Promise.race([work, interrupted.promise]);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

function parse(text: string, base?: URL): URL {
  const url = URL.parse(text, base?.href);
  if (url && (url.protocol === 'https:' || url.protocol === 'http:')) return url;
  throw new StewardError(
    'INPUT_INVALID',
    base ? `${base.origin} redirects to an address that is not HTTP.` : 'The address to call is not an HTTP address.',
    {
      hint: 'Expected an address such as https://example.org/path.',
    },
  );
}

function authorization({ username, password }: URL): Record<string, string> {
  if (username === '' && password === '') return {};
  const credentials = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return { authorization: `Basic ${Buffer.from(credentials).toString('base64')}` };
}

function flat(headers: Readonly<Record<string, string | string[] | undefined>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).flatMap(([name, value]) => (value === undefined ? [] : [[name, String(value)]])),
  );
}

/** Names the origin only: paths and queries of webhooks are secrets in many products. */
function translate(thrown: unknown, url: URL, canceled: boolean): StewardError {
  if (thrown instanceof StewardError) return thrown;
  const { name, message, code: given } = thrown as Error & { readonly code?: unknown };
  // An interruption has a number there.
  const code = typeof given === 'string' ? given : '';
  if (name === 'TimeoutError' || code.includes('TIMEOUT')) {
    return new StewardError('TIMEOUT', `${url.origin} did not answer in time.`, {
      hint: 'See whether it is up and reachable from this machine.',
      cause: thrown,
    });
  }
  if (canceled) return new StewardError('CANCELED', `The request to ${url.origin} was canceled.`, { cause: thrown });
  return new StewardError('UNAVAILABLE', `${url.origin} cannot be reached: ${code || message}.`, {
    hint: 'See whether it is up and reachable from this machine.',
    cause: thrown,
  });
}
