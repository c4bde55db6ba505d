import type { Breakers } from '../core/breaker.ts';
import { blames } from '../core/breaker.ts';
import type { HttpPort } from '../core/ports/http.ts';

/** What a server says that is not able to answer: asking again at once makes it worse. */
const UNABLE: ReadonlySet<number> = new Set([500, 502, 503, 504]);

/** The same port with a circuit breaker before each host, so that one that does not answer is left alone for a while. */
export function guardedHttp(http: HttpPort, breakers: Breakers): HttpPort {
  return {
    ...http,
    async request(request) {
      const host = hostOf(request.url);
      // What is no address is for the port itself to refuse.
      if (host === undefined) return await http.request(request);
      return await breakers.around(`http:${host}`, () => http.request(request), {
        isFailure: (outcome) => ('error' in outcome ? blames(outcome.error.code) : UNABLE.has(outcome.value.status)),
      });
    },
  };
}

function hostOf(url: string): string | undefined {
  return URL.canParse(url) ? new URL(url).host || undefined : undefined;
}
