import type { AnyOperation } from './operation.ts';
import type { SystemJob } from './schedule.ts';

/** A long-lived part that watches or serves. Compose starts them in order and stops them in reverse. */
export interface System {
  readonly name: string;
  readonly operations: readonly AnyOperation[];
  readonly jobs: readonly SystemJob[];
  start(): Promise<void>;
  /** Resolves when nothing of it runs any more; called also where start failed halfway. */
  stop(): Promise<void>;
}
