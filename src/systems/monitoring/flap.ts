import type { ServiceState } from '../../core/check.ts';

/** From which share of changes on something flaps, and below which it is calm again. */
export interface FlapLimits {
  readonly high: number;
  readonly low: number;
}

/** What Nagios documents for services, and most of its users keep. */
export const FLAP_LIMITS: FlapLimits = { high: 20, low: 5 };

/** So many results are remembered; between them are twenty places for a change. */
const REMEMBERED = 21;
const OLDEST_WEIGHT = 0.8;
const NEWEST_WEIGHT = 1.2;

/** What is remembered of a check to know whether it flaps: one letter for each of its last results, the newest last. */
export interface FlapMemory {
  readonly recent: string;
  readonly flapping: boolean;
}

/**
 * How much of what could have changed did, in percent, by the method that Nagios documents: of the last 21 results each
 * that differs from the one before it counts, the newest half again as much as the oldest.
 */
export function changePercent(recent: string): number {
  const places = REMEMBERED - 1;
  let weight = 0;
  // A short memory ends now as well; what is not known of it did not change.
  const first = REMEMBERED - recent.length;
  for (let index = 1; index < recent.length; index += 1) {
    if (recent[index] === recent[index - 1]) continue;
    const place = first + index - 1;
    weight += OLDEST_WEIGHT + ((NEWEST_WEIGHT - OLDEST_WEIGHT) * place) / (places - 1);
  }
  return Math.round((100 * weight) / places);
}

/** The memory with one more result. What was stopped, or what nobody could see, is no change. */
export function remember(before: FlapMemory, seen: ServiceState, { high, low }: FlapLimits = FLAP_LIMITS): FlapMemory {
  const letter = seen === 'down' ? 'd' : seen === 'up' || seen === 'degraded' ? 'u' : '';
  if (letter === '') return { recent: before.recent, flapping: before.flapping };
  const recent = (before.recent + letter).slice(-REMEMBERED);
  const percent = changePercent(recent);
  return { recent, flapping: before.flapping ? percent >= low : percent >= high };
}
