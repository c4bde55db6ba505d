import { StewardError } from '../../core/errors.ts';
import type { SecretReference } from '../../core/secrets.ts';
import type { HttpPort, HttpRequest, HttpResponse } from '../../core/ports/http.ts';

type Answer = Partial<HttpResponse> | StewardError;

export interface FakeHttp extends HttpPort {
  /** What a host answers from here on; an error is thrown. Unknown hosts are refused by the guard. */
  serve(origin: string, answer: Answer | ((request: HttpRequest) => Answer)): void;
  /** Secrets that may be sent to it. */
  trust(origin: string, secrets: readonly SecretReference[]): void;
  /** What arrived, oldest first. */
  readonly requests: readonly HttpRequest[];
}

/** Hosts in memory, behind a guard that lets nothing through that was not set up. */
export function fakeHttp(): FakeHttp {
  const hosts = new Map<string, Answer | ((request: HttpRequest) => Answer)>();
  const trusted = new Map<string, readonly SecretReference[]>();
  const requests: HttpRequest[] = [];
  const origin = (url: string): string => new URL(url).origin;
  return {
    requests,
    async permit(url) {
      const known = hosts.has(origin(url));
      return {
        refused: known ? undefined : `${origin(url)} is in a private network.`,
        secrets: trusted.get(origin(url)) ?? [],
      };
    },
    async request(request) {
      if (request.signal?.aborted) throw new StewardError('CANCELED', `The request to ${request.url} was canceled.`);
      const host = hosts.get(origin(request.url));
      if (host === undefined) throw new StewardError('POLICY_REFUSED', `${origin(request.url)} is not allowed.`);
      const answer = typeof host === 'function' ? host(request) : host;
      // A host that nobody can reach sees no request.
      if (answer instanceof StewardError) {
        if (!answer.retryable) requests.push(request);
        throw answer;
      }
      requests.push(request);
      return { status: 200, headers: {}, body: '', truncated: false, url: request.url, ...answer };
    },
    serve: (host, answer) => void hosts.set(host, answer),
    trust: (host, secrets) => void trusted.set(host, secrets),
  };
}
