import { type Check, NETWORK_KINDS, type ProbeResult, type Prober, type ServiceState } from '../../core/check.ts';
import { ms } from '../../core/duration.ts';
import { StewardError } from '../../core/errors.ts';
import type { EventType } from '../../core/event.ts';
import type { ServiceStatus } from '../../core/monitor.ts';
import { failsElsewhere, type PlaceVotes } from '../../core/places.ts';
import type { Resource } from '../../core/resource.ts';
import { changePercent, type FlapLimits } from './flap.ts';
import type { Recorder } from './recorder.ts';
import type { SelfCheck } from './self-check.ts';
import {
  type CheckState,
  asksSupervisor,
  foldResult,
  isSilent,
  problemOf,
  serviceState,
  silencesEnough,
  storable,
} from './state.ts';

export interface WatchedCheck {
  readonly check: Check;
  readonly number: number;
  readonly timeoutMs: number;
  readonly slowMs: number;
  state: CheckState;
  looking: Promise<void> | undefined;
}

export interface ServiceMemory {
  readonly state: ServiceState;
  readonly since: Date;
}

export interface WatchParts {
  readonly prober: Prober;
  readonly recorder: Recorder;
  readonly selfCheck: Pick<SelfCheck, 'blame'>;
  readonly node: string;
  readonly now: () => Date;
  readonly signal: AbortSignal;
  /** What other places say of the checks that they look at, too. */
  readonly places?: PlaceVotes | undefined;
  /** Those that Nagios documents where it is left out. */
  readonly flapLimits?: (() => FlapLimits | undefined) | undefined;
}

/** Who recovered is believed after this many further looks. */
const LOOKS_TO_BELIEVE = 2;

const PRESENCE_KINDS = new Set(['process', 'processes', 'systemd', 'container']);

export function watchedCheck(check: Check, number: number, state: CheckState): WatchedCheck {
  return { check, number, timeoutMs: ms(check.timeout), slowMs: ms(check.slow), state, looking: undefined };
}

/** One service with its checks: looks, counts, and tells when its state changes. */
export class WatchedService {
  resource: Resource;
  checks: WatchedCheck[];
  #memory: ServiceMemory;
  /** The named troubles last told; what they were before this process began is read from the checks. */
  #problems: string | undefined;
  readonly #parts: WatchParts;
  #supervisorAsked: Promise<ProbeResult> | undefined;

  constructor(resource: Resource, checks: WatchedCheck[], memory: ServiceMemory, parts: WatchParts) {
    this.resource = resource;
    this.checks = checks;
    this.#memory = memory;
    this.#parts = parts;
  }

  get state(): ServiceState {
    return this.#memory.state;
  }

  /** Looks now, or joins a look that is under way. */
  probe(watched: WatchedCheck): Promise<void> {
    return (watched.looking ??= this.#look(watched).finally(() => (watched.looking = undefined)));
  }

  async probeAll(): Promise<void> {
    await Promise.all(this.checks.map((watched) => this.probe(watched)));
  }

  status(): ServiceStatus {
    return {
      resourceId: this.resource.id,
      state: this.#memory.state,
      since: this.#memory.since,
      consecutiveFailures: Math.max(0, ...this.checks.map(({ state }) => state.failures)),
      settleMs: LOOKS_TO_BELIEVE * Math.max(0, ...this.checks.map(({ check }) => ms(check.every))),
      ...(this.checks.some(({ state }) => state.flapping) && {
        flapping: Math.max(...this.checks.map(({ state }) => changePercent(state.recent))),
      }),
      checks: this.checks.map(({ check, state }) => ({
        id: check.id,
        kind: check.target.kind,
        state: state.state,
        consecutiveFailures: state.failures,
        ...(state.at && { at: state.at }),
        ...(state.last && { last: state.last }),
      })),
    };
  }

  async #look(watched: WatchedCheck): Promise<void> {
    const { prober, signal } = this.#parts;
    const { check, timeoutMs, slowMs } = watched;
    let result: ProbeResult;
    try {
      result = await prober.probe(check.target, { timeoutMs, slowMs, signal });
      if (result.state === 'down') result = await this.#excuse(watched, result);
      result = await this.#withPlaces(check, result);
    } catch (thrown) {
      const { message } = StewardError.from(thrown);
      result = {
        state: 'unknown',
        latencyMs: 0,
        message: `the probe itself failed: ${message}`,
        depth: 'presence',
        detail: {},
      };
    }
    // A check that was taken away meanwhile, and a probe that was called off, say nothing.
    if (signal.aborted || !this.checks.includes(watched)) return;
    this.#apply(watched, result);
  }

  async #withPlaces(check: Check, seen: ProbeResult): Promise<ProbeResult> {
    // Whoever stopped it on purpose did so wherever it is looked at from.
    if (!this.#parts.places || !check.places || seen.state === 'stopped') return seen;
    // While nobody can be asked what they see, what is seen here is not forgotten.
    return await this.#parts.places.judge(check, seen).catch(() => seen);
  }

  /** A failure may be the prober's own, or somebody's decision that the supervisor knows of. */
  async #excuse(watched: WatchedCheck, result: ProbeResult): Promise<ProbeResult> {
    const { check } = watched;
    if (asksSupervisor(check.target.kind)) {
      // What is found by itself and then is removed was removed by somebody; a name in the configuration may be a slip.
      return check.origin === 'discovered' && result.detail['missing'] === true
        ? { ...result, state: 'stopped' }
        : result;
    }
    if (NETWORK_KINDS.has(check.target.kind)) {
      const reason = await this.#parts.selfCheck.blame();
      if (reason) return { ...result, state: 'unknown', message: `${reason}; seen: ${result.message}` };
    }
    const word = await this.#askSupervisor();
    if (word?.state === 'stopped')
      return { ...result, state: 'stopped', message: `${word.message}; seen: ${result.message}` };
    return this.#isFrozen(watched, result) ? { ...result, problem: 'process.frozen' } : result;
  }

  /** It takes the connection and says nothing, again and again, while its process lives. */
  #isFrozen({ check, state: before }: WatchedCheck, result: ProbeResult): boolean {
    const lives = this.checks.some(({ check, state }) => PRESENCE_KINDS.has(check.target.kind) && state.state === 'up');
    return (
      lives && result.problem === undefined && isSilent(result) && silencesEnough(before, check, this.#parts.now())
    );
  }

  /** Asked at once, because a port closes before the supervisor's own turn comes; counted only if it says stopped. */
  async #askSupervisor(): Promise<ProbeResult | undefined> {
    const supervisor = this.checks.find(({ check }) => asksSupervisor(check.target.kind));
    if (!supervisor) return undefined;
    const { prober, signal } = this.#parts;
    this.#supervisorAsked ??= (async () => {
      const seen = await prober.probe(supervisor.check.target, {
        timeoutMs: supervisor.timeoutMs,
        slowMs: supervisor.slowMs,
        signal,
      });
      const word = seen.state === 'down' ? await this.#excuse(supervisor, seen) : seen;
      if (word.state === 'stopped' && !signal.aborted) this.#apply(supervisor, word);
      return word;
    })().finally(() => (this.#supervisorAsked = undefined));
    return await this.#supervisorAsked;
  }

  #apply(watched: WatchedCheck, seen: ProbeResult): void {
    const { recorder, now } = this.#parts;
    const result = storable(seen);
    const at = now();
    const previous = watched.state;
    watched.state = foldResult(previous, result, watched.check, at, this.#parts.flapLimits?.());
    recorder.result({ id: watched.check.id, number: watched.number }, result, watched.state, at);
    const { failures } = watched.state;
    if (failures > previous.failures && failures <= watched.check.failures) this.#tellFailure(watched, result);
    this.settle(at);
    if (
      watched.state.state === 'stopped' &&
      previous.state !== 'stopped' &&
      asksSupervisor(watched.check.target.kind)
    ) {
      // The others find out by themselves that they are stopped, not in a minute but now.
      for (const other of this.checks) if (other !== watched && other.state.state !== 'stopped') void this.probe(other);
    }
  }

  /** Tells of a state, or of named troubles, that are not the ones last told. */
  settle(at: Date): void {
    const checks = this.checks.map(({ check, state }) => ({
      kind: check.target.kind,
      state: state.state,
      failures: state.failures,
    }));
    const state = serviceState(checks);
    if (state === 'pending') return;
    const named = this.checks.map((watched): string => problemOf(watched.state) ?? '');
    if (failsElsewhere(this.checks.map((watched) => watched.state))) named.push('elsewhere');
    const problems = [...new Set(named)].toSorted().join(' ');
    const isNews = problems !== (this.#problems ?? problems);
    this.#problems = problems;
    const from = this.#memory.state;
    if (state === from) {
      // Another trouble in the same state: no transition, but whoever heals must hear of it.
      if (isNews && (state === 'degraded' || state === 'down'))
        this.#parts.recorder.news({ event: this.#event(from, state) });
      return;
    }
    this.#memory = { state, since: at };
    const event = this.#event(from, state);
    this.#parts.recorder.news({
      event,
      status: {
        resourceId: this.resource.id,
        node: this.#parts.node,
        state,
        since: at,
        failures: Math.max(0, ...checks.map(({ failures }) => failures)),
        message: event.data.message,
      },
    });
  }

  #event(from: ServiceState, state: Exclude<ServiceState, 'pending'>) {
    const speaker = this.#speaker(state);
    const problem = speaker && problemOf(speaker.state);
    return {
      type: `service.${state}` satisfies EventType,
      subject: { kind: this.resource.kind, id: this.resource.id },
      node: this.#parts.node,
      data: {
        name: this.resource.name,
        from,
        state,
        message: speaker ? `${speaker.check.target.kind}: ${speaker.state.last?.message}` : '',
        ...(problem && { problem }),
        critical: this.resource.critical,
        checks: this.checks.map((watched) => ({
          id: watched.check.id,
          kind: watched.check.target.kind,
          state: watched.state.state,
          failures: watched.state.failures,
          message: watched.state.last?.message,
          depth: watched.state.last?.depth,
          problem: problemOf(watched.state),
        })),
      },
    } as const;
  }

  /** The check that speaks for the service: one in its state, and of these one that can name the trouble. */
  #speaker(state: ServiceState): WatchedCheck | undefined {
    const inState = this.checks.filter((watched) => watched.state.state === state && watched.state.last);
    return (
      inState.find((watched) => problemOf(watched.state)) ??
      inState[0] ??
      this.checks.find(({ state: its }) => its.last)
    );
  }

  #tellFailure({ check, state }: WatchedCheck, result: ProbeResult): void {
    this.#parts.recorder.news({
      event: {
        type: 'check.failed',
        subject: { kind: this.resource.kind, id: this.resource.id },
        node: this.#parts.node,
        data: {
          name: this.resource.name,
          check: check.id,
          kind: check.target.kind,
          message: result.message,
          failures: state.failures,
          of: check.failures,
        },
      },
    });
  }
}
