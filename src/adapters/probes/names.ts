import { type LookupAddress, type LookupOptions, lookup as systemLookup } from 'node:dns';
import { isIP } from 'node:net';
import { createLanes } from './lanes.ts';

/** As `net.connect` and its like take it. */
export type Lookup = (
  hostname: string,
  options: LookupOptions,
  callback: (error: NodeJS.ErrnoException | null, address: string | LookupAddress[], family?: number) => void,
) => void;

type Answer = { readonly addresses: LookupAddress[] } | { readonly error: NodeJS.ErrnoException };

/** What was learned is renewed after this long; until it is, it is used. */
const FRESH_MS = 30_000;
/** With a name server that does not answer, what was learned counts for so long. */
const STALE_MS = 10 * 60_000;
const FAILURE_MS = 5_000;
const HELD_UP_MS = 2_000;
const MOST_NAMES = 5_000;

/**
 * Asking the system for a name holds one of the four threads that the whole process has for such work, for as long as the
 * name server is silent. So at most two names are asked for at a time, one of them such that held up before; each is asked
 * once for all who want it, and a known one is answered from memory at once while it is renewed.
 */
export function createNames(monotonic: () => number = () => performance.now()): Lookup {
  const known = new Map<string, { at: number; answer: Answer }>();
  const asked = new Map<string, Promise<Answer>>();
  const lanes = createLanes({ quick: 1, slow: 1 });

  function ask(hostname: string): Promise<Answer> {
    const under = asked.get(hostname);
    if (under) return under;
    const asking = lanes
      .run(
        hostname,
        async () => {
          const began = monotonic();
          const answer = await resolveName(hostname);
          return { answer, tookMs: monotonic() - began };
        },
        ({ tookMs }) => tookMs > HELD_UP_MS,
      )
      .then(({ answer }) => remember(hostname, answer))
      .finally(() => asked.delete(hostname));
    asked.set(hostname, asking);
    return asking;
  }

  function remember(hostname: string, answer: Answer): Answer {
    const before = known.get(hostname);
    const useful = before && 'addresses' in before.answer && monotonic() - before.at < STALE_MS;
    if (useful && 'error' in answer && isPassing(answer.error)) return before.answer;
    if (known.size >= MOST_NAMES) known.clear();
    known.set(hostname, { at: monotonic(), answer });
    return answer;
  }

  function find(hostname: string): Promise<Answer> | Answer {
    const found = known.get(hostname);
    const age = found ? monotonic() - found.at : Infinity;
    if (!found || ('error' in found.answer && age > FAILURE_MS)) return ask(hostname);
    if (age > FRESH_MS) void ask(hostname);
    return found.answer;
  }

  return (hostname, options, callback) => {
    // On a tick of its own, so that what the caller throws is the caller's.
    void Promise.resolve(find(hostname)).then((answer) =>
      process.nextTick(() => {
        if ('error' in answer) return callback(answer.error, []);
        const wanted = FAMILIES[String(options.family)] ?? 0;
        const fitting = answer.addresses.filter(({ family }) => wanted === 0 || family === wanted);
        const [first] = fitting;
        if (!first) return callback(Object.assign(new Error(`no address of ${hostname}`), { code: 'ENOTFOUND' }), []);
        if (options.all) return callback(null, fitting);
        return callback(null, first.address, first.family);
      }),
    );
  };
}

const FAMILIES: Readonly<Record<string, number>> = { '4': 4, IPv4: 4, '6': 6, IPv6: 6 };

/** The first address of a host, for clients that take no lookup of their own. */
export function addressFor(lookup: Lookup, host: string): Promise<string> {
  if (isIP(host) > 0 || host.startsWith('/')) return Promise.resolve(host);
  return new Promise((resolve, reject) =>
    lookup(host, {}, (error, address) => (error ? reject(error) : resolve(String(address)))),
  );
}

function resolveName(hostname: string): Promise<Answer> {
  return new Promise((resolve) =>
    systemLookup(hostname, { all: true }, (error, addresses) => resolve(error ? { error } : { addresses })),
  );
}

/** The name server does not answer; that the name has ceased to exist is another matter. */
function isPassing({ code }: NodeJS.ErrnoException): boolean {
  return code === 'EAI_AGAIN' || code === 'ETIMEOUT' || code === 'EAI_FAIL';
}
