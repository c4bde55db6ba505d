import { connect } from 'cloudflare:sockets';
import { ownTrouble, type ProbeTimes, type Seen } from '../../handlers/probe/http.ts';

export interface TcpTarget {
  readonly host: string;
  readonly port: number;
}

/** The platform connects nobody to it, so that no mail is sent. */
const MAIL = 25;
/** Of ports for HTTP the platform says the same where nobody listens and where it does not let connect at all, as to addresses of its own. */
const NOT_TRIED = /prohibited|consider using fetch/i;

/** Connects once, and says what a server of Steward would say of the same answer. */
export async function probeTcp({ host, port }: TcpTarget, { timeoutMs, slowMs }: ProbeTimes): Promise<Seen> {
  if (port === MAIL) return cannot(`port ${MAIL}`);
  const began = performance.now();
  const { promise: late, resolve } = Promise.withResolvers<'late'>();
  const timer = setTimeout(() => resolve('late'), timeoutMs);
  try {
    // Of an address of IPv6 the brackets belong to URLs.
    const socket = connect({ hostname: host.includes(':') ? `[${host}]` : host, port });
    socket.closed.catch(() => undefined);
    const came = await Promise.race([socket.opened, late]);
    const latencyMs = Math.round((performance.now() - began) * 100) / 100;
    socket.close().catch(() => undefined);
    if (came === 'late')
      return { ...DOWN, latencyMs, message: `no connection within ${timeoutMs} ms`, detail: { code: 'TIMEOUT' } };
    const accepts = { latencyMs, depth: 'connect', detail: {} } as const;
    return latencyMs > slowMs
      ? { ...accepts, state: 'degraded', message: `slow: accepts connections after ${Math.round(latencyMs)} ms` }
      : { ...accepts, state: 'up', message: 'accepts connections' };
  } catch (thrown) {
    const said = thrown instanceof Error ? thrown.message : String(thrown);
    const own = ownTrouble(said);
    if (own !== undefined) return unknown(own);
    if (NOT_TRIED.test(said)) return cannot(`${host}:${port}, or nobody listens there: an http check can tell`);
    return { ...DOWN, latencyMs: performance.now() - began, message: said.slice(0, 300), detail: {} };
  } finally {
    clearTimeout(timer);
  }
}

const DOWN = { state: 'down', depth: 'connect' } as const;

function cannot(what: string): Seen {
  return unknown(`cannot: a place of this kind is not let connect to ${what}`);
}

function unknown(message: string): Seen {
  return { state: 'unknown', depth: 'connect', latencyMs: 0, message, detail: {} };
}
