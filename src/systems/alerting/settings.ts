import type { Channel } from '../../core/alert.ts';
import { type AlertRouting, atLeast, type QuietHours, type Recipient } from '../../core/alert-routing.ts';
import type { Severity } from '../../core/incident.ts';
import type { Resource } from '../../core/resource.ts';

/** A channel, and the least severe alert that goes to it. */
export interface Route {
  readonly channel: Channel;
  readonly minSeverity: Severity;
  /** The channel that takes what this one does not; all others where none is stated. */
  readonly fallback?: string | undefined;
  /** When what can wait does. */
  readonly quiet?: QuietHours | undefined;
}

/** Read at each use, so that a new configuration is in force at once. */
export interface AlertingSettings {
  /** How long a new incident that is not critical waits for healing before anyone is told. */
  readonly holdMs: number;
  /** Deliveries tried per alert and channel. */
  readonly attempts: number;
  /** Alerts per channel within an hour, apart from those that always pass. */
  readonly perHour: number;
  readonly retentionMs: number;
  /** Whether channels that take what is merely informative are told each day what went well. */
  readonly digest?: boolean | undefined;
  /** Whether each channel is tried once a week; it is where this is left out. */
  readonly weeklyTest?: boolean | undefined;
  /** After this long without an end or somebody who takes it, it is told again; never where it is left out. */
  readonly repeatMs?: number | undefined;
  /** Who is told of what; everybody where it is left out. */
  readonly routing?: AlertRouting | undefined;
  /** How often a channel may call people in a week, and when a rule is not worth calling them for. */
  readonly budget: {
    readonly perWeek: number;
    /** Least share of its incidents that people act on. */
    readonly floor: number;
    /** Incidents that must be judged before that says anything. */
    readonly judged: number;
  };
  /** Whether a group speaks for it: then nobody is told of it alone. */
  readonly isSpokenFor?: ((resource: Pick<Resource, 'name' | 'labels'>) => boolean) | undefined;
}

/** Where somebody takes a problem, these say so to everybody who would else be called: there is something to be taken. */
const ACKNOWLEDGED_IN: ReadonlySet<string> = new Set(['pagerduty', 'issue']);

export function hearsOfAcknowledgement({ kind }: Pick<Recipient, 'kind'>): boolean {
  return ACKNOWLEDGED_IN.has(kind);
}

export function takes({ minSeverity }: Pick<Recipient, 'minSeverity'>, severity: Severity): boolean {
  return atLeast(severity, minSeverity);
}
