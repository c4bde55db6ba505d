/** What a thread that looks at files is started with. */
export interface ThreadData {
  readonly job: unknown;
  /** How many messages were taken, because the thread waits where it is too far ahead; and whether it may go on. */
  readonly state: Int32Array<SharedArrayBuffer>;
}
export const TAKEN = 0;
export const GO_ON = 1;
