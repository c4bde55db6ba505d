import type { Problem } from '../core/check.ts';
import type { Statement, Story } from './story.ts';
import type { Misbehavior } from './programs/mood.ts';
import type { ServiceName } from './stack.ts';

/** healed: back without a person. escalated: a person is told, once, and no more is tried. left-alone: nothing is done. */
export type Expectation = 'healed' | 'escalated' | 'left-alone';

export type Need = 'root' | 'npm';

/** What a fault may do: all of it to the scratch stack, and to the Steward that watches nothing else. */
export interface Stage {
  /** Signals the main process, as the kernel would; Docker is not told. */
  signal(service: ServiceName, signal: 'SIGKILL' | 'SIGSTOP' | 'SIGCONT'): Promise<void>;
  stop(service: ServiceName): Promise<void>;
  start(service: ServiceName): Promise<void>;
  pause(service: ServiceName): Promise<void>;
  unpause(service: ServiceName): Promise<void>;
  /** Cuts a service off from the network of the database, and lets it in again. */
  cutOff(service: ServiceName): Promise<void>;
  letIn(service: ServiceName): Promise<void>;
  misbehave(service: ServiceName, wish: Misbehavior): Promise<void>;
  readonly steward: {
    get<T>(path: string): Promise<T>;
    post<T>(path: string, body: object): Promise<T>;
    resourceId(service: ServiceName): string;
    /** As kill -9 does. */
    kill(): Promise<void>;
    start(): Promise<void>;
  };
  /** Remembers this instant for the judge. */
  mark(name: string): void;
  /** Looks on while nothing may happen. */
  watch(seconds: number): Promise<void>;
  /** Waits until something is so; throws where it does not become so in time. */
  until(what: string, look: () => Promise<boolean>): Promise<void>;
}

/** One thing that can go wrong, and what Steward has to make of it. */
export interface Fault {
  /** Permanent: the history compares by it. */
  readonly name: string;
  /** What is injected, in one sentence. */
  readonly title: string;
  /** Whom it strikes. Nothing else strikes them meanwhile. */
  readonly services: readonly [ServiceName, ...ServiceName[]];
  /** Who suffers from it without having been struck: nothing is to be done to them. */
  readonly bystanders?: readonly ServiceName[];
  readonly expect: Expectation;
  /** The expectation in words. */
  readonly expected: string;
  /** Troubles that may be noticed on the way to it, each as an incident of its own; what matters comes after them. */
  readonly heralds?: readonly Problem[];
  /** How many attempts Steward may make, at least and at most; one where nothing is said. */
  readonly attempts?: readonly [atLeast: number, atMost: number];
  /** What the machine has to have for it; where it is missing, the fault is not injected, and the report says so. */
  readonly needs?: readonly Need[];
  /** Strikes Steward itself, so nothing else happens meanwhile. */
  readonly alone?: true;
  /** How long Steward has. */
  readonly withinSeconds?: number;
  inject(stage: Stage): Promise<void>;
  /** Afterwards: what a person would do, so that the next fault finds the stack well. */
  undo?(stage: Stage): Promise<void>;
  /** What has to hold besides what every fault of its expectation has to. */
  further?(story: Story): Statement[];
}
