import { z } from 'zod';

/**
 * What a cursor is made of. Somebody may have forged it, so each part is what a database can compare: PostgreSQL refuses
 * instants before its calendar, NUL, halves of surrogate pairs and numbers beyond its own.
 */
export const CursorInstant = z.coerce
  .date()
  .refine(
    (at) => at.getUTCFullYear() >= 1 && at.getUTCFullYear() <= 9_999,
    'expected an instant between the years 1 and 9999',
  );

export const CursorText = z
  .string()
  .max(500)
  .refine(
    (text) => !text.includes('\0') && text.isWellFormed(),
    'expected text without NUL characters and broken Unicode',
  );

export const CursorNumber = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);
