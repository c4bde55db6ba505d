/** Beside the list of what a look described: what somebody else did, in the order of `byName`, an item a line. */
export const ownList = (spool: string): string => `${spool}.apart`;
