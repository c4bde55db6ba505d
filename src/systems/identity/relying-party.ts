import { isIP } from 'node:net';
import { StewardError } from '../../core/errors.ts';

/** Whom a passkey is made for: the host name that people see, and the address of the page. */
export interface RelyingParty {
  readonly id: string;
  readonly origin: string;
}

/** Why no browser lets passkeys be used at this address; undefined where they work. */
export function whyNoPasskeys(origin: string | undefined): string | undefined {
  const url = origin === undefined ? null : URL.parse(origin);
  if (!url) return 'Passkeys are for people at the page of this Steward.';
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
  if (isIP(host) === 0) {
    if (url.protocol === 'https:' || host === 'localhost' || host.endsWith('.localhost')) return undefined;
    return `Browsers allow passkeys on https only, or at localhost; this page is at ${url.origin}.`;
  }
  const local = host === '::1' || host.startsWith('127.');
  return local
    ? `Browsers allow no passkeys at a bare address: open ${url.protocol}//localhost${url.port === '' ? '' : `:${url.port}`} instead of ${url.origin}.`
    : `Browsers allow no passkeys at a bare address: open this Steward by a name, with https; this page is at ${url.origin}.`;
}

export function relyingPartyOf(origin: string | undefined): RelyingParty {
  const why = whyNoPasskeys(origin);
  if (why === undefined && origin !== undefined)
    return { id: new URL(origin).hostname, origin: new URL(origin).origin };
  throw new StewardError('PRECONDITION_FAILED', why ?? 'Passkeys cannot be used here.', {
    hint: 'The password works everywhere.',
  });
}
