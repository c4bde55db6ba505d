import { randomUUID } from 'node:crypto';
import { codeOf, type PlaceCheck, type PlaceConfig, type PlaceResult } from '../../edge/handlers/probe/messages.ts';
import { CheckTarget, type ProbeResult, type Prober } from '../core/check.ts';
import { StewardError } from '../core/errors.ts';
import { canonicalJson } from '../core/json.ts';
import { PLACE_KINDS } from '../core/places.ts';

interface LooksDeps {
  readonly prober: Prober;
  /** Why nothing that failed just now may be held against anybody. */
  readonly blame: () => Promise<string | undefined>;
  /** Whether the way from here to a target works, as far as that is known. */
  readonly wayTo: (target: CheckTarget) => Promise<'open' | 'broken' | undefined>;
  readonly onResult: (result: PlaceResult) => void;
  /** Why what was seen could not be told. */
  readonly onTrouble: (reason: string) => void;
  readonly signal: AbortSignal;
}

/** The first looks after a start do not come all at once. */
const SPREAD_MS = 2_000;

interface Running {
  /** All that it depends on, as text. */
  readonly asked: string;
  timer: NodeJS.Timeout;
}

/** Looks at what the configuration says, each check on its own time. */
export function createLooks({ prober, blame, wayTo, onResult, onTrouble, signal }: LooksDeps) {
  const running = new Map<string, Running>();

  async function look(
    { id, timeoutMs, slowMs }: PlaceCheck,
    target: CheckTarget,
    isMeant: () => boolean,
  ): Promise<void> {
    const at = new Date().toISOString();
    let seen = await prober.probe(target, { timeoutMs, slowMs, signal }).catch(failed);
    const reason = await excuse(seen, target);
    // What kind of failure it seemed to be says nothing then.
    if (reason !== undefined)
      seen = { ...seen, state: 'unknown', message: `${reason}; seen: ${seen.message}`, detail: {} };
    // What began with another target must not speak for this one.
    if (!isMeant()) return;
    onResult({
      id: randomUUID(),
      check: id,
      at,
      state: seen.state === 'stopped' ? 'unknown' : seen.state,
      latencyMs: seen.latencyMs,
      // What else the peer said stays here.
      message: seen.message,
      ...codeOf(seen.detail),
    });
  }

  /** Why it is not to be held against who was asked. */
  async function excuse({ state }: ProbeResult, target: CheckTarget): Promise<string | undefined> {
    if (state !== 'down' && state !== 'unknown') return undefined;
    const own = state === 'down' ? await blame() : undefined;
    return own ?? ((await wayTo(target)) === 'broken' ? 'none of its reference points answers' : undefined);
  }

  function start(check: PlaceCheck, userAgent: string): void {
    const target = targetOf(check, userAgent);
    if (!target) return;
    const again = (delayMs: number): NodeJS.Timeout => setTimeout(() => void turn(), delayMs);
    const entry: Running = {
      asked: askedOf(check, userAgent),
      timer: again(Math.random() * Math.min(check.everyMs, SPREAD_MS)),
    };
    const isMeant = (): boolean => running.get(check.id) === entry && !signal.aborted;
    running.set(check.id, entry);

    async function turn(): Promise<void> {
      const began = performance.now();
      try {
        await look(check, target as CheckTarget, isMeant);
      } catch (thrown) {
        onTrouble(StewardError.from(thrown).message);
      }
      if (isMeant()) entry.timer = again(Math.max(0, check.everyMs - (performance.now() - began)));
    }
  }

  function stop(id: string): void {
    clearTimeout(running.get(id)?.timer);
    running.delete(id);
  }

  return {
    follow({ checks, userAgent }: PlaceConfig): void {
      const wanted = new Map(checks.map((check) => [check.id, askedOf(check, userAgent)]));
      for (const [id, { asked }] of running) if (wanted.get(id) !== asked) stop(id);
      for (const check of checks) if (!running.has(check.id)) start(check, userAgent);
    },
    stop(): void {
      for (const id of running.keys()) stop(id);
    },
  };
}

const askedOf = (check: PlaceCheck, userAgent: string): string => canonicalJson([check, userAgent]);

function unknown(message: string): ProbeResult {
  return { state: 'unknown', latencyMs: 0, message, depth: 'presence', detail: {} };
}

const failed = (thrown: unknown): ProbeResult =>
  unknown(`the look itself failed: ${StewardError.from(thrown).message}`);

/** As this version understands it; a newer server may ask for what it does not. */
function targetOf({ target: given }: PlaceCheck, userAgent: string): CheckTarget | undefined {
  const { data: target } = CheckTarget.safeParse(given);
  if (!target || !PLACE_KINDS.has(target.kind)) return undefined;
  // Files of this machine are nobody's business.
  if (target.kind === 'tls' && (target.file !== undefined || target.ca !== undefined)) return undefined;
  if (target.kind === 'http') return { ...target, headers: { 'user-agent': userAgent, ...target.headers } };
  return target;
}
