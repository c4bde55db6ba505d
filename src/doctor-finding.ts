/** One thing that `steward doctor` looked at. */
export interface Finding {
  readonly what: string;
  readonly state: 'ok' | 'note' | 'problem';
  readonly detail: string;
  /** The command, or the edit, that mends it. */
  readonly mend?: string | undefined;
}
