/** A key that none of these is: what stands in a list of fields keeps its own while others come and go. */
export const fresh = (keys: readonly number[]): number => Math.max(-1, ...keys) + 1;
