import { Code, List, Text } from '@mantine/core';
import type { Answer } from '../api/client.ts';
import { Undo } from './undo.tsx';

export type Run = Answer<'/api/v1/runs/{id}'>;
type Change = NonNullable<Run['plan']>[number];

/** What a run intends, item by item, as every way in shows it. */
export function Plan({ changes }: { readonly changes: readonly Change[] }) {
  if (changes.length === 0) return <Text c="dimmed">Nothing has to change.</Text>;
  return (
    <List type="ordered" spacing="xs">
      {changes.map(({ id, title, undo, detail, ...more }) => (
        <List.Item key={id}>
          {title} <Undo undo={undo} />
          {typeof more['reason'] === 'string' && (
            <Text size="sm" c="dimmed">
              {more['reason']}
            </Text>
          )}
          {detail !== undefined && (
            <Code block mt={4}>
              {detail}
            </Code>
          )}
        </List.Item>
      ))}
    </List>
  );
}

/** What hangs on it, and what could be restored. */
export function Impact({ impact }: { readonly impact: NonNullable<Run['impact']> }) {
  const { blastRadius, recoveryPoint } = impact;
  return (
    <dl className="facts">
      <dt>Depends on it</dt>
      <dd>
        {blastRadius.length === 0
          ? 'nothing that Steward knows'
          : blastRadius.map(({ name, critical }) => (critical ? `${name} (critical)` : name)).join(', ')}
      </dd>
      {recoveryPoint !== undefined && (
        <>
          <dt>Way back</dt>
          <dd>{recoveryPoint ?? 'none: nothing to restore is known'}</dd>
        </>
      )}
    </dl>
  );
}
