import { describe, expect, it } from 'vitest';
import { type Check, CheckTarget } from '../../core/check.ts';
import { PlacesRule } from '../../core/places-rule.ts';
import { lackingPlaces } from './lacking.ts';

const check = (places: object, target: object = {}): Check => ({
  id: 'chk_1',
  resourceId: 'svc_1',
  origin: 'configured',
  target: CheckTarget.parse({ kind: 'http', url: 'https://shop.example.org/', ...target }),
  every: '60s',
  timeout: '5s',
  failures: 3,
  successes: 1,
  slow: '30s',
  places: PlacesRule.parse(places),
});
const PLACES = [
  { name: 'paris', kinds: ['http', 'http.json'] },
  { name: 'worker', kinds: ['http'] },
];
const problems = (...checks: Check[]): string[] => lackingPlaces(checks, PLACES, () => 'shop');

describe('places that are asked for', () => {
  it('are there, and enough', () => {
    expect(problems(check({}), check({ need: 3 }), check({ from: ['paris'], need: 2 }))).toEqual([]);
  });

  it.each([
    [
      'a name that nobody has',
      check({ from: ['pariss', 'paris'] }),
      ['shop is to be looked at from pariss, and there is no such place.'],
    ],
    ['more than there are', check({ need: 4 }), ['shop is down only when 4 places say so, and 3 look at it (http).']],
    [
      'more than can do it',
      check({ need: 3 }, { expectJson: [{ path: '$.ok' }] }),
      ['shop is down only when 3 places say so, and 2 look at it (http).'],
    ],
    [
      'more than may be told the secret that it needs',
      check({ need: 2 }, { headers: { authorization: { env: 'TOKEN' } } }),
      ['shop is down only when 2 places say so, and 1 look at it (http).'],
    ],
  ])('are told of where they are %s', (_what, asked, expected) => {
    expect(problems(asked)).toEqual(expected);
  });
});
