import type { IncomingMessage } from 'node:http';
import { type AddressRange, addressRange, covers } from '../../edge/handlers/addresses.ts';

const read = new WeakMap<readonly string[], readonly AddressRange[]>();

/** Who sent it: who connected, or where that is a trusted proxy, the last in X-Forwarded-For that is none. */
export function addressOf(request: IncomingMessage, trustedProxies: readonly string[]): string {
  const peer = request.socket.remoteAddress ?? '';
  if (!isTrustedProxy(peer, trustedProxies)) return peer;
  const trusted = rangesOf(trustedProxies);
  const header = request.headers['x-forwarded-for'];
  const said = (Array.isArray(header) ? header.join(',') : (header ?? '')).split(',').map((one) => one.trim());
  return withoutPort(said.findLast((address) => address !== '' && !covers(trusted, withoutPort(address))) ?? peer);
}

/** How it was sent: with TLS or without it here, and perhaps with it to a trusted proxy. */
export function schemeOf(request: IncomingMessage, trustedProxies: readonly string[]): 'http' | 'https' {
  const here = 'encrypted' in request.socket ? 'https' : 'http';
  if (!isTrustedProxy(request.socket.remoteAddress ?? '', trustedProxies)) return here;
  const said = [request.headers['x-forwarded-proto'] ?? here].flat().join(',').split(',');
  return said.at(-1)?.trim().toLowerCase() === 'https' ? 'https' : 'http';
}

/** Some proxies say 192.0.2.1:4711 or [2001:db8::1]:4711; each connection would be somebody else. */
function withoutPort(address: string): string {
  return (
    /^(\d+\.\d+\.\d+\.\d+)(?::\d+)?$/.exec(address)?.[1] ?? /^\[([^\]]+)\](?::\d+)?$/.exec(address)?.[1] ?? address
  );
}

/** Whether what it says of the client may be believed. */
export function isTrustedProxy(address: string, trustedProxies: readonly string[]): boolean {
  return trustedProxies.length > 0 && covers(rangesOf(trustedProxies), address);
}

function rangesOf(trustedProxies: readonly string[]): readonly AddressRange[] {
  let ranges = read.get(trustedProxies);
  if (!ranges) {
    ranges = trustedProxies.map(addressRange).filter((range) => range !== undefined);
    read.set(trustedProxies, ranges);
  }
  return ranges;
}
