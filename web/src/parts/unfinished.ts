/** Of a run that something is still to come of. */
export const UNFINISHED: ReadonlySet<string> = new Set([
  'queued',
  'planning',
  'waiting-approval',
  'running',
  'rolling-back',
]);
