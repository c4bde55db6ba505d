import type { Digests } from '../digests.ts';
import { after, type Soon } from '../soon.ts';
import { keysMethod } from './api-keys.ts';
import { guesses } from './guesses.ts';
import type { FetchKeys, Outlive } from './issuer-keys.ts';
import type { Spent } from './limits.ts';
import type { Caller, Finding, HeaderOf, Method } from './method.ts';
import { recent, type Recent } from './recent.ts';
import { remoteMethod, type Validate } from './remote.ts';
import type { Auth } from './routes.ts';
import { jwtMethod, keysByAddress } from './tokens.ts';
import type { AuthTrace } from './trace.ts';
import { type Counts, createTurns, type Turn } from './turns.ts';

export type Identified = {
  readonly trace: readonly AuthTrace[];
  /** Where what was shown is in a count, or had no room in it, whatever the whole came to. */
  readonly counted: Spent | undefined;
} & (
  | { readonly is: 'good'; readonly by: AuthTrace['by']; readonly caller: Caller }
  /** not-tried: something was shown that nobody knows, and it had no turn. */
  | { readonly is: 'absent' | 'bad' | 'unfit' | 'unavailable' | 'not-tried' }
);

/**
 * Finds out who a request is by, and remembers what was found as long as the objects of the routes are the same. One for a
 * process, or for a Durable Object: requests that come together share what is asked of others.
 */
export interface Callers {
  readonly identify: (
    auth: readonly Auth[],
    asked: { readonly header: HeaderOf; readonly counts: Counts },
  ) => Soon<Identified>;
}

export interface CallerPorts {
  readonly digests: Digests;
  /** The JSON at an address. Throws where there is none; redirects are not followed. */
  readonly fetchKeys: FetchKeys;
  /** POST {token} to the address. Throws where there is no answer; redirects are not followed. */
  readonly validate: Validate;
  /** Where a runtime ends what a request began together with the request. */
  readonly outlive?: Outlive;
}

type Guesses = ReturnType<typeof guesses>;

interface Remembering {
  readonly method: Method;
  readonly findings: Recent<{ readonly finding: Finding; readonly version: number }>;
  /** What is being looked at. */
  readonly looking: Recent<{ readonly since: number; readonly found: Promise<Found> }>;
}

type Refused = Exclude<Turn['is'], 'go'>;
type Found = Finding | Refused;

const NOT_TRIED: Readonly<Record<Refused, string>> = {
  full: 'this address showed too many wrong ones',
  busy: 'too many of this address are being looked at',
};
const MOST_REMEMBERED = 20_000;
/** Only what another request began so lately is waited for: it may have been cut off, and then its end never comes. */
const TOGETHER_MS = 1_000;
/** What the whole comes to where no way was good: the first of these that one of them came to. */
const GRAVEST = ['unavailable', 'not-tried', 'unfit', 'bad'] as const;

export function createCallers({ digests, fetchKeys, validate, outlive }: CallerPorts): Callers {
  const keysOf = keysByAddress(fetchKeys, outlive);
  const ready = new WeakMap<Auth, Remembering>();
  const turns = createTurns();

  function remembering(auth: Auth): Remembering {
    let found = ready.get(auth);
    if (!found)
      ready.set(
        auth,
        (found = { method: methodOf(auth), findings: recent(MOST_REMEMBERED), looking: recent(MOST_REMEMBERED) }),
      );
    return found;
  }

  function methodOf(auth: Auth): Method {
    if (auth.is === 'jwt') return jwtMethod(auth, keysOf);
    return auth.is === 'keys' ? keysMethod(auth, digests) : remoteMethod(auth, validate);
  }

  async function find(
    one: Remembering,
    credential: string,
    { name, now, guessed }: { name: string; now: number; guessed: () => Guesses },
  ): Promise<Found> {
    // What was good once is no guess: others of its address must not keep it out by guessing.
    if (one.findings.get(name)?.finding.outcome === 'good') return await lookAt(one, name, credential, now);
    // A page asks for many things at once with the token it just got: that is one thing nobody knows yet.
    const { looking } = one;
    const other = looking.get(name);
    if (other && Math.abs(now - other.since) < TOGETHER_MS) {
      const found = await guessed().waitFor(other.found);
      if (typeof found === 'object' && found.outcome !== 'bad') return found;
    }
    const found = guessed()
      .mayTry(credential)
      .then(async (may) => (may === 'go' ? await lookAt(one, name, credential, now) : may));
    const own = { since: now, found };
    looking.set(name, own);
    try {
      return await found;
    } finally {
      if (looking.get(name) === own) looking.delete(name);
    }
  }

  async function lookAt(
    { method, findings }: Remembering,
    name: string,
    credential: string,
    now: number,
  ): Promise<Finding> {
    const version = method.version(now);
    const finding = await method.verify(credential, now);
    // By the version after it: the keys may have come for this very token. Where they changed meanwhile, it is looked at again.
    const after = method.version(now);
    if (finding.outcome === 'bad' || finding.outcome === 'unfit') findings.delete(name);
    if (finding.until !== undefined && after !== undefined && (version === undefined || version === after))
      findings.set(name, { finding: { ...finding, why: `${finding.why}, verified before` }, version: after });
    return finding;
  }

  return {
    identify(auth, { header, counts }) {
      const { now } = counts;
      const trace: AuthTrace[] = [];
      /** Nothing is one that was good before and still is. */
      let guessing: Guesses | undefined;
      const guessed = (): Guesses => (guessing ??= guesses(counts, turns));

      /** One way after the other, until one is good. */
      function from(at: number): Soon<Identified> {
        const one = auth[at] && remembering(auth[at]);
        if (!one) return settled(undefined);
        const { by, of, credential: shown } = one.method;
        const credential = shown(header);
        if (credential === undefined) {
          trace.push({ by, of, outcome: 'absent', why: 'nothing was shown' });
          return from(at + 1);
        }
        // No credential is kept.
        return after(digests.sha256OfText(credential), (name) => {
          const found = remembered(one, name, now) ?? find(one, credential, { name, now, guessed });
          return after(found, (finding) => came(at, one, credential, finding));
        });
      }

      function came(
        at: number,
        { method: { by, of } }: Remembering,
        credential: string,
        found: Found,
      ): Soon<Identified> {
        if (typeof found === 'string') {
          trace.push({ by, of, outcome: 'not-tried', why: NOT_TRIED[found] });
          return from(at + 1);
        }
        if (guessing || found.outcome !== 'good') guessed().came(credential, found.outcome);
        trace.push({ by, of, outcome: found.outcome, why: found.why });
        return found.outcome === 'good' && found.caller ? settled({ by, caller: found.caller }) : from(at + 1);
      }

      function settled(good: Pick<Extract<Identified, { is: 'good' }>, 'by' | 'caller'> | undefined): Soon<Identified> {
        return after(guessing?.settled(good !== undefined), (counted): Identified => {
          if (good) return { is: 'good', ...good, trace, counted };
          const is = GRAVEST.find((outcome) => trace.some((each) => each.outcome === outcome)) ?? 'absent';
          return { is, trace, counted };
        });
      }

      const identified = from(0);
      return identified instanceof Promise ? identified.finally(() => guessing?.over()) : identified;
    },
  };
}

function remembered({ method, findings }: Remembering, name: string, now: number): Finding | undefined {
  const known = findings.get(name);
  if (!known || known.version !== method.version(now)) return undefined;
  const { from = Infinity, until = -Infinity } = known.finding;
  return now >= from && now < until ? known.finding : undefined;
}
