import { Text } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import type { Answer } from '../api/client.ts';
import { Ago } from './ago.tsx';
import { Row } from './card.tsx';

export type Change = Answer<'/api/v1/changes'>['items'][number];

export function ChangeRow({ change: { at, kind, title, by, runId, resourceId } }: { readonly change: Change }) {
  return (
    <Row>
      <Text size="sm" c="dimmed" w="7em">
        <Ago at={at} />
      </Text>
      <span className="grow">
        {title}
        <Text span size="sm" c="dimmed">
          {' '}
          {kind}
          {by !== undefined && `, ${by}`}
        </Text>
      </span>
      {runId !== undefined ? (
        <Link to="/runs/$id" params={{ id: runId }}>
          the run
        </Link>
      ) : (
        resourceId !== undefined && (
          <Link to="/services/$id" params={{ id: resourceId }}>
            the service
          </Link>
        )
      )}
    </Row>
  );
}
