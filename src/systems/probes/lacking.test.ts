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
    ['more than there are', check({ need: 4 }), ['4 places are to say that shop is down, and 3 can (http).']],
    [
      'more than can do it',
      check({ need: 3 }, { expectJson: [{ path: '$.ok' }] }),
      ['3 places are to say that shop is down, and 2 can (http).'],
    ],
    [
      'more than may be told the secret that it needs',
      check({ need: 2 }, { headers: { authorization: { env: 'TOKEN' } } }),
      ['2 places are to say that shop is down, and 1 can (http).'],
    ],
  ])('are told of where they are %s', (_what, asked, expected) => {
    expect(problems(asked)).toEqual(expected);
  });
});
