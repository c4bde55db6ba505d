import { describe, expect, it } from 'vitest';
import { StewardError } from '../core/errors.ts';
import { isUnavailable, translateDatabaseError } from './database-errors.ts';

const failure = (code: string, message = 'went wrong') => Object.assign(new Error(message), { code });

describe('what a database call threw', () => {
  it.each([
    ['ECONNREFUSED', 'STORE_UNAVAILABLE', true],
    ['57P01', 'STORE_UNAVAILABLE', true],
    ['57P03', 'STORE_UNAVAILABLE', true],
    ['08006', 'STORE_UNAVAILABLE', true],
    ['53300', 'STORE_UNAVAILABLE', true],
    ['28P01', 'STORE_UNAVAILABLE', false],
    ['53100', 'DISK_FULL', true],
    ['23505', 'CONFLICT', false],
    ['40P01', 'LOCKED', true],
    ['57014', 'TIMEOUT', true],
  ])('%s becomes %s, worth another try: %s', (code, becomes, retryable) => {
    const cause = failure(code);

    expect(translateDatabaseError(cause)).toMatchObject({ code: becomes, retryable, cause });
  });

  it('is known for a broken connection by its words where it has no code', () => {
    expect(isUnavailable(new Error('Connection terminated unexpectedly'))).toBe(true);
    expect(isUnavailable(new Error('timeout exceeded when trying to connect'))).toBe(true);
  });

  it('passes unchanged where it says nothing about the database', () => {
    const bug = failure('22012', 'division by zero');
    const known = new StewardError('NOT_FOUND', 'No run 7.');

    expect(translateDatabaseError(bug)).toBe(bug);
    expect(translateDatabaseError(known)).toBe(known);
    expect(isUnavailable(bug)).toBe(false);
  });
});
