import type { Soon } from '../soon.ts';

export interface Count {
  /** Whether one more fits; `take` has then counted it. */
  readonly allowed: boolean;
  /** How many the window holds, the taken one included. */
  readonly used: number;
  readonly remaining: number;
  /** Until one more fits where none does, else until the window holds fewer than now; 0 where it is empty. */
  readonly resetMs: number;
  /** Where `take` counted it, as `give` wants to know; nothing where it counted nothing. */
  readonly bucket?: number;
}

export interface CountAsked {
  readonly key: string;
  readonly limit: number;
  readonly windowMs: number;
  /** Unix milliseconds. */
  readonly now: number;
}

/** How often something happened within the last `windowMs`, wherever it is kept. What was refused is not counted. */
export interface Counters {
  readonly take: (asked: CountAsked) => Soon<Count>;
  /** The same, and nothing is counted. */
  readonly look: (asked: CountAsked) => Soon<Count>;
  /** What `take` allowed did not happen: one more fits again. */
  readonly give: (asked: CountAsked, taken: Pick<Count, 'bucket'>) => Soon<void>;
}
