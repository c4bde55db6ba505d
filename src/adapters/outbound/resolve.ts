import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { StewardError } from '../../core/errors.ts';
import { classifyAddress } from './address-class.ts';

/** All addresses of a host name. */
export type Lookup = (hostname: string) => Promise<readonly string[]>;

export const systemLookup: Lookup = async (hostname) =>
  (await lookup(hostname, { all: true, order: 'verbatim' })).map(({ address }) => address);

/**
 * The addresses of a host that may be connected to. Every one of its addresses must be allowed: a name that leads to a
 * forbidden place half of the time is not a service that somebody means. Connect to what is returned, never to the
 * name again: its next answer may be another one.
 */
export async function resolveAllowed(
  hostname: string,
  {
    allowPrivate,
    allowLinkLocal = false,
    lookup: find,
  }: { allowPrivate: boolean; allowLinkLocal?: boolean | undefined; lookup: Lookup },
): Promise<readonly [string, ...string[]]> {
  const host = hostname.replace(/^\[(.*)\]$/, '$1');
  const addresses = isIP(host) ? [host] : await named(host, find);
  for (const address of addresses) {
    const kind = classifyAddress(address);
    if (kind === 'public' || (kind === 'private' && allowPrivate) || (kind === 'forbidden' && allowLinkLocal)) continue;
    throw refusal(host, address, kind);
  }
  const [first, ...others] = addresses;
  if (first === undefined) throw unresolved(host);
  return [first, ...others];
}

async function named(host: string, find: Lookup): Promise<readonly string[]> {
  try {
    return await find(host);
  } catch (cause) {
    throw unresolved(host, cause);
  }
}

function refusal(host: string, address: string, kind: 'private' | 'forbidden'): StewardError {
  const place = host === address ? host : `${host} is ${address}, which`;
  if (kind === 'private') {
    return new StewardError(
      'FORBIDDEN',
      `${place} is on this machine or in a private network, and Steward does not call that by default.`,
      {
        hint: 'If it is meant, set allowPrivate: true beside the address in steward.yaml.',
      },
    );
  }
  return new StewardError(
    'FORBIDDEN',
    `${place} is a link-local, metadata or reserved address: Steward never calls one.`,
    {
      hint: 'Name the service by an address of its own in steward.yaml.',
    },
  );
}

function unresolved(host: string, cause?: unknown): StewardError {
  const code = (cause as NodeJS.ErrnoException | undefined)?.code;
  return new StewardError('UNAVAILABLE', `The name ${host} has no address${code ? ` (${code})` : ''}.`, {
    hint: 'Look for a misspelled name, and whether DNS works on this machine.',
    cause,
  });
}
