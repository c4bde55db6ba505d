import { Spotlight, spotlight } from '@mantine/spotlight';
import { useNavigate } from '@tanstack/react-router';
import { useAnswer } from '../api/use-answer.ts';
import { useSession } from '../session/session.tsx';
import { navigationFor } from './navigation.ts';

export const openPalette = (): void => spotlight.open();

/** Goes anywhere by its name: pages, services. */
export function Palette() {
  const navigate = useNavigate();
  const { may } = useSession();
  const services = useAnswer('/api/v1/services').data ?? [];
  return (
    <Spotlight
      shortcut={['mod + K', '/']}
      actions={[
        {
          group: 'Pages',
          actions: navigationFor(may)
            .flatMap(({ places }) => places)
            .map(({ to, label, words }) => ({
              id: to,
              label,
              keywords: words ?? '',
              onClick: () => void navigate({ to }),
            })),
        },
        {
          group: 'Services',
          actions: services.map(({ id, name, product, state }) => ({
            id,
            label: name,
            description: [product, state].join(', '),
            onClick: () => void navigate({ to: '/services/$id', params: { id } }),
          })),
        },
      ]}
      limit={12}
      highlightQuery
      nothingFound="Nothing is called so."
      searchProps={{ placeholder: 'Where to?', 'aria-label': 'Where to?' }}
    />
  );
}
