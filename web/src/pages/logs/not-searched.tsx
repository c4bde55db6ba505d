import { Text } from '@mantine/core';

/** What could not be looked through: to find nothing there says nothing. */
export function NotSearched({
  notSearched,
}: {
  readonly notSearched: readonly { readonly component: string; readonly reason: string }[];
}) {
  if (notSearched.length === 0) return undefined;
  return (
    <details>
      <summary>
        {notSearched.length} {notSearched.length === 1 ? 'log' : 'logs'} could not be read
      </summary>
      {notSearched.map(({ component, reason }) => (
        <Text key={component} size="sm" c="dimmed">
          {component}: {reason}
        </Text>
      ))}
    </details>
  );
}
