import { Text } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import type { Answer } from '../api/client.ts';
import { Ago } from './ago.tsx';
import { Row } from './card.tsx';
import { State } from './state.tsx';

export type IncidentLine = Answer<'/api/v1/incidents'>['items'][number];

export function IncidentRow({ incident }: { readonly incident: IncidentLine }) {
  const { id, title, status, severity, openedAt, resolvedAt, acknowledgedBy, occurrences } = incident;
  return (
    <Row>
      <Link to="/incidents/$id" params={{ id }} className="quiet-link">
        {title}
      </Link>
      <State word={status} />
      {status !== 'resolved' && <State word={severity} />}
      <Text size="sm" c="dimmed" className="grow">
        {acknowledgedBy !== undefined && `${acknowledgedBy} is on it`}
        {occurrences > 1 && ` ${occurrences} times`}
      </Text>
      <Text size="sm" c="dimmed">
        {resolvedAt === undefined ? (
          <Ago at={openedAt} />
        ) : (
          <>
            over <Ago at={resolvedAt} />
          </>
        )}
      </Text>
    </Row>
  );
}
