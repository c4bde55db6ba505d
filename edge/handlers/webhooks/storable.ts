/** So deep Steward takes what it is asked to do. */
export const LEVELS = 60;

/** As a store of Steward takes it: no text with a NUL or half a surrogate pair. Throws where it has more levels. */
export function storable(value: unknown, levels = Number.POSITIVE_INFINITY): unknown {
  if (levels < 0) throw new RangeError('nested too deep');
  if (typeof value === 'string') return value.toWellFormed().replaceAll('\0', '\u{fffd}');
  if (Array.isArray(value)) return value.map((member) => storable(member, levels - 1));
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, member]) => [storable(key), storable(member, levels - 1)]),
  );
}
