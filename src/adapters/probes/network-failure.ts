import type { ProbeResult } from '../../core/check.ts';
import type { Ending } from './deadline.ts';
import { KEPT_AWAY } from './guard.ts';
import { saw } from './result.ts';

/** What the kernel says when the prober is the one that cannot: nothing follows from it about the peer. */
const OWN_TROUBLE: Readonly<Record<string, string>> = {
  EMFILE: 'this process has no file descriptor left',
  ENFILE: 'this machine has no file descriptor left',
  ENOBUFS: 'this machine has no buffer space left',
  ENOMEM: 'this machine has no memory left',
  EADDRNOTAVAIL: 'this machine has no free local port or address',
  ENETUNREACH: 'this machine has no route to the network',
  ENETDOWN: 'the network of this machine is down',
  EAI_AGAIN: 'the name service of this machine does not answer',
  EACCES: 'this machine does not let Steward connect there',
  EPERM: 'this machine does not let Steward connect there',
  [KEPT_AWAY]: 'an address that is reserved, or of the metadata of a cloud, is not asked',
};

const PEER_TROUBLE: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'connection reset by the peer',
  EPIPE: 'connection closed by the peer',
  EHOSTUNREACH: 'host unreachable',
  EHOSTDOWN: 'host down',
  ETIMEDOUT: 'no answer to the connection attempt',
  ENOTFOUND: 'the host name does not exist',
  ENOENT: 'the socket does not exist',
};

/** A failure to connect or to go on talking, as a result. */
export function networkFailure(thrown: unknown, depth: ProbeResult['depth'], startedAt: number): ProbeResult {
  const code = errorCode(thrown);
  const own = OWN_TROUBLE[code];
  if (own) return saw('unknown', depth, own, startedAt, { code });
  const reason = PEER_TROUBLE[code] ?? (thrown instanceof Error ? thrown.message : String(thrown));
  return saw('down', depth, reason, startedAt, code ? { code } : {});
}

export function endingResult(
  ending: Ending,
  timeoutMs: number,
  depth: ProbeResult['depth'],
  startedAt: number,
  doing: string,
): ProbeResult {
  if (ending === 'canceled') return saw('unknown', depth, 'the probe was canceled', startedAt);
  return saw('down', depth, `no ${doing} within ${timeoutMs} ms`, startedAt, { code: 'TIMEOUT' });
}

/** Trying both addresses of a name fails with a bundle of errors; the first one speaks for it. */
export function errorCode(thrown: unknown): string {
  if (thrown instanceof AggregateError && thrown.errors.length > 0) return errorCode(thrown.errors[0]);
  const code = (thrown as { code?: unknown } | undefined)?.code;
  return typeof code === 'string' ? code : '';
}
