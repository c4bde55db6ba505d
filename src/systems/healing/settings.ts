import { type DurationText, ms } from '../../core/duration.ts';
import type { ModeRecord } from '../../core/mode.ts';
import type { AutonomyRule } from './trust.ts';

/** What the configuration says of healing; read anew at every look. */
export interface HealingSettings {
  readonly enabled: boolean;
  /** observe: says what it would do and does nothing. */
  readonly mode: 'act' | 'observe';
  readonly loop: DurationText;
  /** A heal counts only if the symptom stays away this long. */
  readonly soak: DurationText;
  /** A trouble that is back within this time takes its heal back: it counts as failed. */
  readonly recurrence: DurationText;
  /** For so long a runbook that failed on a trouble is not tried on it again. */
  readonly memory: DurationText;
  /** Disruptive attempts for one incident. */
  readonly attempts: number;
  /** Disruptive attempts for one resource within an hour. */
  readonly perHour: number;
  /** Disruptive attempts within an hour for all resources and nodes together. */
  readonly disruptivePerHour: number;
  /** Before the second attempt; doubles with each further one. */
  readonly backoff: DurationText;
  readonly autonomy: AutonomyRule;
}

/** In words, where healing may do nothing: the switch that stops it, for good or for watching it first, or that of all of Steward. */
export function switchedOff({ enabled, mode }: HealingSettings, steward: ModeRecord): string | undefined {
  if (!enabled) return 'switched off';
  if (mode === 'observe') return 'set to observe';
  if (steward.mode === 'normal') return undefined;
  return `held back: Steward ${steward.mode === 'stopped' ? 'is stopped' : 'only observes'}`;
}

export function backoffMs(settings: HealingSettings, attemptsMade: number): number {
  return attemptsMade === 0 ? 0 : ms(settings.backoff) * 2 ** (attemptsMade - 1);
}

/** How long until a soaking service is looked at again. */
export function soakLookMs({ soak, loop }: HealingSettings): number {
  return Math.max(100, Math.min(ms(soak) / 4, ms(loop)));
}
