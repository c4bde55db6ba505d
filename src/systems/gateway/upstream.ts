import { type Addresses, createTarget, type Target } from './target.ts';
import { writeTogether } from './turn-end.ts';

export interface UpstreamSettings {
  /** Origins, or names of services that the inventory knows. */
  readonly targets: readonly string[];
  readonly connectMs: number;
  /** A stream in which nothing is said for so long is cut, either way. */
  readonly idleMs: number;
  /** At most so many requests at once at one target. */
  readonly mostAtOnce: number;
  /** An address of a link-local or metadata network is meant. */
  readonly allowLinkLocal: boolean;
}

/** Where a service of the inventory is at this instant, and what monitoring says of it. */
export interface Located {
  readonly origin: string | undefined;
  readonly down: boolean;
}

export interface Upstream {
  readonly name: string;
  readonly settings: UpstreamSettings;
  /** The target with the least to do, those already tried last; counts as begun. */
  take(tried: readonly Target[], now: number): Target | 'none-up' | 'full';
  /** Whether one more request may be sent a second time: at most a fifth on top of what came. */
  mayRetry(): boolean;
  locate(find: (name: string) => Located | undefined): void;
  state(): readonly TargetState[];
  /** No target is taken any more; what is in flight goes on to its end. */
  close(): Promise<void>;
}

export interface TargetState {
  readonly name: string;
  readonly origin: string | undefined;
  readonly health: 'up' | 'down' | 'unknown';
  readonly breaker: Target['breaker'];
  readonly outstanding: number;
  readonly failures: number;
  readonly lastFailure: string | undefined;
}

interface Place {
  readonly name: string;
  target: Target | undefined;
  down: boolean;
}

const RETRY_SHARE = 0.2;
const MOST_SAVED_RETRIES = 10;

export function createUpstream(
  name: string,
  settings: UpstreamSettings,
  addresses: (options: { readonly allowLinkLocal: boolean }) => Addresses,
): Upstream {
  const guard = addresses({ allowLinkLocal: settings.allowLinkLocal });
  const targetAt = (origin: string): Target => createTarget({ origin, connectMs: settings.connectMs }, guard);
  const places: Place[] = settings.targets.map((each) => ({
    name: each,
    target: isOrigin(each) ? targetAt(each) : undefined,
    down: false,
  }));
  let retries = 1;
  let turn = 0;

  return {
    name,
    settings,
    take(tried, now) {
      retries = Math.min(MOST_SAVED_RETRIES, retries + (tried.length === 0 ? RETRY_SHARE : 0));
      turn += 1;
      let best: Target | undefined;
      let full = false;
      for (let step = 0; step < places.length; step += 1) {
        const { target, down } = places[(turn + step) % places.length] as Place;
        if (!target || down || !target.ready(now)) continue;
        if (target.outstanding >= settings.mostAtOnce) full = true;
        else if (!best || weight(target, tried) < weight(best, tried)) best = target;
      }
      best?.begin(now);
      return best ?? (full ? 'full' : 'none-up');
    },
    mayRetry() {
      if (retries < 1) return false;
      retries -= 1;
      return true;
    },
    locate(find) {
      for (const place of places) {
        if (isOrigin(place.name)) continue;
        const located = find(place.name);
        place.down = located?.down ?? false;
        if (place.target?.origin === located?.origin) continue;
        void place.target?.close();
        place.target = located?.origin === undefined ? undefined : targetAt(located.origin);
      }
    },
    state: () =>
      places.map(({ name: called, target, down }) => ({
        name: called,
        origin: target?.origin,
        health: down ? 'down' : target ? 'up' : 'unknown',
        breaker: target?.breaker ?? 'closed',
        outstanding: target?.outstanding ?? 0,
        failures: target?.failures ?? 0,
        lastFailure: target?.lastFailure,
      })),
    async close() {
      // Who is passed on in this turn asks at its end.
      await new Promise<void>(writeTogether);
      await Promise.all(places.flatMap(({ target }) => (target ? [target.close()] : [])));
    },
  };
}

/** Who was asked already is asked again only where there is nobody else: its connection may have been a stale one. */
function weight(target: Target, tried: readonly Target[]): number {
  return target.outstanding + (tried.includes(target) ? 1e9 : 0);
}

export function isOrigin(text: string): boolean {
  return /^https?:\/\//i.test(text);
}
