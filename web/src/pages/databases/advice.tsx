import { Code, Text } from '@mantine/core';
import type { Answer } from '../../api/client.ts';
import { Card, Row } from '../../parts/card.tsx';
import { sizeOf } from '../../parts/length.ts';
import { State } from '../../parts/state.tsx';

const WORDS = {
  'missing-index': 'an index would help',
  'unused-index': 'nothing uses it',
  'duplicate-index': 'another serves it',
  'invalid-index': 'it is broken',
} as const;

/** What a person may want to do, with what was seen when it was tried, and its statement. */
export function Advice({ items }: { readonly items: Answer<'/api/v1/database-advice'>['items'] }) {
  if (items.length === 0) return <Text c="dimmed">None: nothing was seen that a person should change.</Text>;
  return (
    <Card>
      {items.map(({ source, database, kind, object, why, sql, bytes }) => (
        <Row key={`${source} ${database} ${kind} ${object}`}>
          <div className="grow">
            <strong>{object}</strong>{' '}
            <State word={WORDS[kind]} tone={kind === 'missing-index' || kind === 'invalid-index' ? 'warn' : 'calm'} />{' '}
            <Text span size="sm" c="dimmed">
              {source}, {database}
              {bytes !== undefined && `, ${sizeOf(bytes)}`}
            </Text>
            <Text size="sm">{why}</Text>
            {sql !== undefined && (
              <Code block mt={4}>
                {sql}
              </Code>
            )}
          </div>
        </Row>
      ))}
    </Card>
  );
}
