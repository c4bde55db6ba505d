import fc from 'fast-check';
import { expect, it } from 'vitest';
import { createLines } from './lines.ts';

it('lines that wait are there again as they were, whatever is in them and however long they are', () => {
  const text = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.nat({ max: 90_000 }).map((length) => 'é€😀'.repeat(length / 3)),
  );
  fc.assert(
    fc.property(fc.array(fc.record({ id: text, why: text }), { maxLength: 20 }), (records) => {
      const lines = createLines();
      for (const record of records) lines.add(record);
      expect(lines.size).toBe(lines.bytes().length);
      const written = lines.bytes().toString('utf8').split('\n');
      expect(written.pop()).toBe('');
      expect(written.map((line) => JSON.parse(line) as unknown)).toEqual(records);
      expect(lines.count).toBe(records.length);
    }),
    { numRuns: 50 },
  );
});
