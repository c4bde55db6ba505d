/** The database says null where an answer leaves the member out. */
export const orAbsent = <T>(value: T | null): T | undefined => value ?? undefined;
