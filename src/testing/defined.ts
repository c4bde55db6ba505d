/** The value, or a failure that says that it is not there. */
export function defined<T>(value: T | null | undefined): T {
  if (value === null || value === undefined) throw new Error('Nothing is there.');
  return value;
}
