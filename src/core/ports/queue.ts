/** What was asked for and that nobody has in hand. */
export interface Waiting {
  readonly kind: 'run' | 'execution' | 'webhook';
  readonly id: string;
  /** The automation, the workflow, or the type of webhooks. */
  readonly what: string;
  readonly since: string;
}

/** Readers of events that are behind, or that gave up on one. */
export interface Undelivered {
  readonly consumer: string;
  readonly behind: number;
  readonly deadLetters: number;
}

/** What waits at the engine of this node. What waits for its turn, for a lock or for a person is in somebody's hands and not told here. */
export interface QueuePort {
  waiting(before: Date): Promise<Waiting[]>;
  undelivered(): Promise<Undelivered[]>;
  /** Takes in hand what waits; harmless twice. */
  begin(): Promise<void>;
}
