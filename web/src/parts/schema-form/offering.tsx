import { Text } from '@mantine/core';
import type { Offer } from './use-names.ts';

/** How a field offers what exists: once it is asked to, and in a list that is scrolled itself, as a screen reader expects. */
export const OFFERING = {
  openOnFocus: false,
  withScrollArea: false,
  styles: { options: { maxHeight: 260, overflowY: 'auto' } },
  limit: 50,
} as const;

export function OfferLine({ offers, name }: { readonly offers: readonly Offer[]; readonly name: string }) {
  const about = offers.find((offer) => offer.name === name)?.about;
  return (
    <span>
      {name}
      {about !== undefined && (
        <Text size="xs" c="dimmed">
          {about}
        </Text>
      )}
    </span>
  );
}
