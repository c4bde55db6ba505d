/** One way in which what ran is not what should have run. */
export interface Difference {
  /** absent: due, and nothing became of it; deleted: started, and its execution is gone; unrecorded: ran, and nothing says that it was started; not-due: ran without being due. */
  readonly kind: 'absent' | 'deleted' | 'unrecorded' | 'not-due';
  readonly schedule: string;
  readonly instant: string;
  readonly execution?: string | undefined;
  readonly message: string;
}

/** What a comparison of what ran with what should have run gave. */
export interface Reconciliation {
  readonly id: string;
  readonly since: Date;
  readonly until: Date;
  readonly at: Date;
  readonly schedules: number;
  readonly due: number;
  readonly ran: number;
  readonly excused: number;
  readonly differences: readonly Difference[];
}
