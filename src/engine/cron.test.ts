import fc from 'fast-check';
import { expect, it } from 'vitest';
import { cronBetween, nextCron } from './cron.ts';

const field = (least: number, most: number): fc.Arbitrary<string> =>
  fc.oneof(
    fc.constant('*'),
    fc.integer({ min: least, max: most }).map(String),
    fc.integer({ min: 2, max: Math.min(30, most) }).map((step) => `*/${step}`),
    fc
      .tuple(fc.integer({ min: least, max: most }), fc.integer({ min: least, max: most }))
      .map((both) => both.toSorted((one, other) => one - other).join('-')),
  );

it('many instants at once are those that come one after the other', () => {
  fc.assert(
    fc.property(
      fc.tuple(field(0, 59), field(0, 23), field(1, 28), field(1, 12), field(0, 6)),
      fc.date({ min: new Date('2025-01-01'), max: new Date('2028-12-31'), noInvalidDate: true }),
      (fields, after) => {
        const cron = fields.join(' ');
        const until = new Date(after.getTime() + 3 * 86_400_000);
        const single: Date[] = [];
        for (let next = nextCron(cron, 'UTC', after); next && next <= until; next = nextCron(cron, 'UTC', next))
          single.push(next);
        expect([...cronBetween(cron, after, until)]).toEqual(single);
      },
    ),
    { numRuns: 60 },
  );
});

it('a year of five minutes has every one of them', () => {
  const [from, to] = [new Date('2027-01-01T00:00:00Z'), new Date('2028-01-01T00:00:00Z')];
  expect([...cronBetween('*/5 * * * *', new Date(from.getTime() - 1), new Date(to.getTime() - 1))]).toHaveLength(
    365 * 288,
  );
});
