import type { Check } from '../../core/check.ts';
import type { PlaceRow } from './tables.ts';
import { isAble, isFor, keepsSecret } from './telling.ts';

/**
 * What is wrong with how checks name places, in words: a place that there is not, or more places needed than look. Either
 * keeps a service from ever being called down.
 */
export function lackingPlaces(
  checks: readonly Check[],
  places: readonly Pick<PlaceRow, 'name' | 'kinds'>[],
  nameOf: (resourceId: string) => string,
): string[] {
  const known = new Set(places.map(({ name }) => name));
  const problems = checks.flatMap((check) => {
    const service = nameOf(check.resourceId);
    const { from = [], need = 1 } = check.places ?? {};
    const looking = places.filter(
      ({ name, kinds }) => isFor(check, name) && isAble(kinds, check) && !keepsSecret(check),
    );
    return [
      ...from
        .filter((name) => !known.has(name))
        .map((name) => `${service} is to be looked at from ${name}, and there is no such place.`),
      ...(need > looking.length + 1
        ? [
            `${service} is down only when ${need} places say so, and ${looking.length + 1} look at it (${check.target.kind}).`,
          ]
        : []),
    ];
  });
  return [...new Set(problems)];
}
