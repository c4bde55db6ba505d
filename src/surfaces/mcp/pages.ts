import { ProtocolError, ProtocolErrorCode } from '@modelcontextprotocol/server';

/** One page of a list whose order does not change. */
export function pageOf<T>(
  all: readonly T[],
  cursor: string | undefined,
  size: number,
): { items: T[]; nextCursor: string | undefined } {
  if (cursor !== undefined && !/^\d{1,6}$/.test(cursor))
    throw new ProtocolError(ProtocolErrorCode.InvalidParams, 'The cursor is none of this list.');
  const from = Number(cursor ?? 0);
  const upTo = from + size;
  return { items: all.slice(from, upTo), nextCursor: upTo < all.length ? String(upTo) : undefined };
}
