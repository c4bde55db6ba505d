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

/** Requests to addresses that somebody configured. Every one passes the guard against private addresses, redirects and rebinding included. */
export interface HttpPort {
  /** Resolves with the response, whatever its status. POLICY_REFUSED at the guard, UNAVAILABLE, TIMEOUT or CANCELED otherwise. */
  request(request: HttpRequest): Promise<HttpResponse>;
}
