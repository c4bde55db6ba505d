import type { SecretReference } from '../secrets.ts';

export interface HttpRequest {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly body?: string | undefined;
  /** Milliseconds for the whole exchange, redirects included. */
  readonly timeoutMs: number;
  /** Bytes kept of the answer; the rest is dropped. Default 64 KiB. */
  readonly limit?: number | undefined;
  /** Redirects to follow, each through the guard again. Default 0. */
  readonly redirects?: number | undefined;
  /** Sending it twice does no harm. GET, HEAD, PUT and DELETE are so by definition, others where their receiver knows a key again. */
  readonly repeatable?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface HttpResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly truncated: boolean;
  /** Where it came from in the end. */
  readonly url: string;
}

/** What the configuration and the guard say to an address before anything is sent there. */
export interface HttpPermit {
  /** Why it must not be called; undefined where it may be. */
  readonly refused: string | undefined;
  /** Secrets that its operator lets be sent there. */
  readonly secrets: readonly SecretReference[];
}

/** Requests to addresses that somebody configured. Every one passes the guard against private addresses, redirects and rebinding included. */
export interface HttpPort {
  /** Sends nothing. */
  permit(url: string): Promise<HttpPermit>;
  /**
   * Resolves with the response, whatever its status. POLICY_REFUSED at the guard, UNAVAILABLE, TIMEOUT or CANCELED
   * otherwise; retryable only where it surely did not arrive, or is repeatable.
   */
  request(request: HttpRequest): Promise<HttpResponse>;
}
