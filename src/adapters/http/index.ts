import type { SecretReference } from '../../core/secrets.ts';
import { StewardError } from '../../core/errors.ts';
import type { PortStatus } from '../../core/ports.ts';
import type { HttpPort, HttpRequest } from '../../core/ports/http.ts';
import type { Outbound } from '../outbound/outbound.ts';

/** What an operator lets automations do at a host. */
export interface AllowedHost {
  /** `name` for any port of it, or `name:port`. */
  readonly host: string;
  /** Although it is on this machine or in a private network. */
  readonly allowPrivate: boolean;
  /** What may be sent there; to no other host is any secret sent. */
  readonly secrets: readonly SecretReference[];
}

export interface Http extends HttpPort {
  status(): Promise<PortStatus>;
}

export interface HttpOptions {
  readonly outbound: Outbound;
  /** As the configuration says at the moment. */
  readonly allow: () => readonly AllowedHost[];
}

/** Failures before anything was sent. */
const NEVER_ARRIVED = new Set([
  'ECONNREFUSED',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
  'UND_ERR_CONNECT_TIMEOUT',
]);
const HARMLESS_TWICE = new Set<HttpRequest['method']>(['GET', 'HEAD', 'PUT', 'DELETE']);

/** Requests of automations, through the one guard; private addresses by configuration only. */
export function createHttp({ outbound, allow }: HttpOptions): Http {
  const listed = (url: URL): readonly AllowedHost[] => allow().filter(({ host }) => names(host, url));

  return {
    status: async () => ({ ok: true }),

    async permit(text) {
      const url = URL.parse(text);
      if (!url || (url.protocol !== 'https:' && url.protocol !== 'http:'))
        return { refused: 'The address to call is not an HTTP address.', secrets: [] };
      const entries = listed(url);
      const secrets = entries.flatMap((entry) => entry.secrets);
      try {
        await outbound.resolve(url.hostname, { allowPrivate: entries.some(meant) });
      } catch (thrown) {
        const error = asPolicy(StewardError.from(thrown), url);
        // A name that has no address at the moment may have one when it is called.
        if (error.code === 'POLICY_REFUSED') return { refused: `${error.message} ${error.hint ?? ''}`.trim(), secrets };
      }
      return { refused: undefined, secrets };
    },

    async request({ method, url, headers, body, timeoutMs, limit, redirects, repeatable, signal }) {
      const twice = repeatable ?? HARMLESS_TWICE.has(method);
      try {
        return await outbound.request({
          url,
          method,
          timeoutMs,
          // Asked again for each address that a redirect leads to.
          allowPrivate: (asked) => listed(asked).some(meant),
          ...(headers && { headers }),
          ...(body !== undefined && { body }),
          ...(limit !== undefined && { maxResponseBytes: limit }),
          ...(redirects !== undefined && { maxRedirects: redirects }),
          ...(signal && { signal }),
        });
      } catch (thrown) {
        const error = asPolicy(StewardError.from(thrown), URL.parse(url));
        if (!error.retryable || twice || neverArrived(error)) throw error;
        throw new StewardError(error.code, `${error.message} Whether it arrived is not known.`, {
          hint: 'Look at the receiver before it is sent again.',
          cause: error,
          retryable: false,
        });
      }
    },
  };
}

const meant = ({ allowPrivate }: AllowedHost): boolean => allowPrivate;

function names(host: string, url: URL): boolean {
  const [, name, port] = /^(\[[^\]]+\]|[^:]+)(?::(\d+))?$/.exec(host.toLowerCase()) ?? [];
  const asked = url.port || (url.protocol === 'https:' ? '443' : '80');
  return name === url.hostname && (port === undefined || port === asked);
}

/** The guard speaks of channels and their settings; for automations there is one list. */
function asPolicy(error: StewardError, url: URL | null): StewardError {
  if (error.code !== 'FORBIDDEN') return error;
  return new StewardError('POLICY_REFUSED', error.message, {
    hint: `If it is meant, add ${url?.host ?? 'the host'} to http.allow in steward.yaml; metadata addresses stay forbidden.`,
    cause: error,
  });
}

function neverArrived({ cause }: StewardError): boolean {
  return NEVER_ARRIVED.has((cause as { readonly code?: string } | undefined)?.code ?? '');
}
