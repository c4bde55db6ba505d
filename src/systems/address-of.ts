import type { IncomingMessage } from 'node:http';
import { addressRange, covers } from '../../edge/handlers/addresses.ts';

/** Who sent it: who connected, or where that is a trusted proxy, the last in X-Forwarded-For that is none. */
export function addressOf(request: IncomingMessage, trustedProxies: readonly string[]): string {
  const peer = request.socket.remoteAddress ?? '';
  if (trustedProxies.length === 0) return peer;
  const trusted = trustedProxies.map(addressRange).filter((range) => range !== undefined);
  if (!covers(trusted, peer)) return peer;
  const header = request.headers['x-forwarded-for'];
  const said = (Array.isArray(header) ? header.join(',') : (header ?? '')).split(',').map((one) => one.trim());
  return said.findLast((address) => address !== '' && !covers(trusted, address)) ?? peer;
}
