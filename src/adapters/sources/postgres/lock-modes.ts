/** Locks on tables from the weakest to the strongest, as PostgreSQL orders them. */
const MODES = [
  'AccessShareLock',
  'RowShareLock',
  'RowExclusiveLock',
  'ShareUpdateExclusiveLock',
  'ShareLock',
  'ShareRowExclusiveLock',
  'ExclusiveLock',
  'AccessExclusiveLock',
];

export const isStronger = (mode: string, than: string): boolean => MODES.indexOf(mode) > MODES.indexOf(than);

/** The strongest that stops neither readers nor writers. */
export const STOPS_NOBODY = 'ShareUpdateExclusiveLock';
