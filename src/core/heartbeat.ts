import { z } from 'zod';

/** What a job says of itself: it begins, it went well, it failed, or just a line for the record. */
export const Signal = z.enum(['start', 'success', 'fail', 'log']);
export type Signal = z.output<typeof Signal>;

export interface Ping {
  readonly signal: Signal;
  readonly exitCode?: number | undefined;
  /** What the job had to say; untrusted, and cut. */
  readonly body?: string | undefined;
  readonly from: string;
}

/** Takes what foreign jobs say, for the surface that hears it. */
export interface PingTaker {
  /** By the secret in the address. `unknown` says nothing about why. */
  take(token: string, ping: Ping): Promise<'taken' | 'unknown' | 'too-many'>;
}
