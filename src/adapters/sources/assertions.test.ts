import { describe, expect, it } from 'vitest';
import { Assertion } from '../../core/backup/source.ts';
import { StewardError } from '../../core/errors.ts';
import { askAssertions } from './assertions.ts';

const how = { isOfData: ({ code }: StewardError) => code === 'CONFLICT', signal: new AbortController().signal };
const asserted = (name: string): Assertion => Assertion.parse({ name, sql: `select ${name}` });

describe('what somebody asserts of a restored copy', () => {
  it('is not true where what is there leaves it without an answer, as a table that is missing', async () => {
    const missing = new StewardError('CONFLICT', 'relation "orders" does not exist');
    const { layers, obstacle } = await askAssertions([asserted('orders')], () => Promise.reject(missing), how);
    expect(layers).toMatchObject([{ ok: false, statement: expect.stringContaining('does not exist') }]);
    expect(obstacle).toBeUndefined();
  });

  it('is an obstacle where it cannot be asked for another reason, and the others are asked all the same', async () => {
    const { layers, obstacle } = await askAssertions(
      [asserted('late'), asserted('orders'), asserted('wrong')],
      async ({ name }) => {
        if (name === 'late') throw new StewardError('TIMEOUT', 'It took longer than 2m.');
        if (name === 'wrong') throw new StewardError('PROGRAM_FAILED', 'There is an error in the syntax.');
        return 1;
      },
      how,
    );
    expect(layers.map(({ ok, statement }) => [ok, statement])).toEqual([[true, 'orders: true.']]);
    expect(obstacle).toBe(
      'content: late: could not be asked. It took longer than 2m.; wrong: could not be asked. There is an error in the syntax.',
    );
  });

  it('is no finding where nobody is there to ask', async () => {
    const gone = new StewardError('UNAVAILABLE', 'The server closed the connection.');
    await expect(askAssertions([asserted('orders')], () => Promise.reject(gone), how)).rejects.toBe(gone);
  });
});
