import { isIP } from 'node:net';
import { buildConnector, Pool } from 'undici';

/** The addresses of a host that may be connected to; rejects where one of them may not. */
export type Addresses = (hostname: string) => Promise<readonly string[]>;

export interface TargetSettings {
  /** http://host:port or https://host:port. */
  readonly origin: string;
  readonly connectMs: number;
}

export type BreakerState = 'closed' | 'open' | 'half-open';

/** One server that answers for an upstream: its connections, and whether it is any use to ask it. */
export interface Target {
  readonly origin: string;
  readonly pool: Pool;
  readonly connect: buildConnector.connector;
  readonly outstanding: number;
  readonly breaker: BreakerState;
  readonly failures: number;
  readonly lastFailure: string | undefined;
  /** Whether it may be asked now. A breaker that was open long enough lets one through. */
  ready(now: number): boolean;
  begin(now: number): void;
  /** Said as soon as it is known: an answer that has begun may go on for hours. */
  answered(): void;
  failed(why: string, now: number): void;
  /** It is over, whatever was said of it; nothing is where the client went away. */
  end(): void;
  close(): Promise<void>;
}

const FAILURES_TO_OPEN = 5;
const OPEN_MS = 1_000;
const LONGEST_OPEN_MS = 30_000;
const IDLE_MS = 4_000;

export function createTarget({ origin, connectMs }: TargetSettings, addresses: Addresses): Target {
  const connect = guardedConnector(connectMs, addresses);
  const pool = new Pool(origin, {
    connect,
    pipelining: 1,
    keepAliveTimeout: IDLE_MS,
    allowH2: false,
    maxHeaderSize: 64 * 1024,
  });
  let outstanding = 0;
  let failures = 0;
  let openUntil = 0;
  let trying = false;
  let lastFailure: string | undefined;

  const stateAt = (now: number): BreakerState =>
    failures < FAILURES_TO_OPEN ? 'closed' : now < openUntil ? 'open' : 'half-open';

  return {
    origin,
    pool,
    connect,
    get outstanding() {
      return outstanding;
    },
    get breaker() {
      return stateAt(performance.now());
    },
    get failures() {
      return failures;
    },
    get lastFailure() {
      return lastFailure;
    },
    ready(now) {
      const state = stateAt(now);
      return state === 'closed' || (state === 'half-open' && !trying);
    },
    begin(now) {
      outstanding += 1;
      if (stateAt(now) === 'half-open') trying = true;
    },
    answered() {
      failures = 0;
      trying = false;
    },
    failed(why, now) {
      failures += 1;
      lastFailure = why;
      const beyond = failures - FAILURES_TO_OPEN;
      if (beyond >= 0) openUntil = now + Math.min(LONGEST_OPEN_MS, OPEN_MS * 2 ** Math.min(beyond, 10));
    },
    end() {
      outstanding -= 1;
      // Whoever tried it may have been this one: another one may.
      trying = false;
    },
    close: () => pool.close(),
  };
}

/** Connects to addresses that were looked at, never to a name again: its next answer may be another one. */
function guardedConnector(connectMs: number, addresses: Addresses): buildConnector.connector {
  const connector = buildConnector({
    timeout: connectMs,
    allowH2: false,
    autoSelectFamily: true,
    keepAlive: true,
    noDelay: true,
    lookup(hostname: string, { all }: { all?: boolean }, give: (...answer: unknown[]) => void) {
      addresses(hostname).then(
        (found) => {
          const known = found.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }));
          if (all === true) give(null, known);
          else give(null, known[0]?.address, known[0]?.family);
        },
        (thrown: unknown) => give(thrown),
      );
    },
  } as buildConnector.BuildOptions);
  const checked = async (host: string, ...[options, done]: Parameters<buildConnector.connector>): Promise<void> => {
    try {
      await addresses(host);
    } catch (thrown) {
      return done(thrown as Error, null);
    }
    connector(options, done);
  };
  return (options, done) => {
    const host = options.hostname.replace(/^\[(.*)\]$/, '$1');
    if (isIP(host) === 0) connector(options, done);
    // What is no name is not looked up.
    else void checked(host, options, done);
  };
}
