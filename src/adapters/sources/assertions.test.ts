import { describe, expect, it } from 'vitest';
import type { Assertion } from '../../core/backup/source.ts';
import { StewardError } from '../../core/errors.ts';
import { askAssertions } from './assertions.ts';

const { signal } = new AbortController();
const orders: Assertion = { name: 'orders exist', sql: 'select count(*) from orders' };

describe('what somebody asserts of a restored copy', () => {
  it('is not true where it cannot be asked, as of a table that is missing', async () => {
    const missing = new StewardError('CONFLICT', 'relation "orders" does not exist');
    const [result] = await askAssertions([orders], () => Promise.reject(missing), signal);
    expect(result).toMatchObject({ ok: false, statement: expect.stringContaining('does not exist') });
  });

  it('is no finding where nobody is there to ask', async () => {
    const gone = new StewardError('UNAVAILABLE', 'The server closed the connection.');
    await expect(askAssertions([orders], () => Promise.reject(gone), signal)).rejects.toBe(gone);
  });
});
