import type { Check } from '../../core/check.ts';
import type { PlaceRow } from './tables.ts';
import { isTold } from './telling.ts';

/**
 * What is wrong with how checks name places, in words: a place that there is not, or more places needed than look. The
 * vote then is that of those that there are.
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
    const looking = places.filter((place) => isTold(place, check)).length + 1;
    return [
      ...from
        .filter((name) => !known.has(name))
        .map((name) => `${service} is to be looked at from ${name}, and there is no such place.`),
      ...(need > looking
        ? [`${need} places are to say that ${service} is down, and ${looking} can (${check.target.kind}).`]
        : []),
    ];
  });
  return [...new Set(problems)];
}

/** Places that share a network with this machine, which nothing tells from a host that is down when their uplink fails. */
export function insidePlaces(
  places: readonly Pick<PlaceRow, 'name' | 'from_address'>[],
  whereIs: (address: string) => 'outside' | 'inside' | 'here',
): string[] {
  return places
    .filter(({ from_address: from }) => from !== null && whereIs(from) === 'inside')
    .map(
      ({ name, from_address: from }) =>
        `${name} reports from ${from}, a network of this machine: where they share an uplink, both are cut off at once. Name places.references, by which that is told from a host that is down.`,
    );
}
