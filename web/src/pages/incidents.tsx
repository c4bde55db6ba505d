import { SegmentedControl, Text } from '@mantine/core';
import { useState } from 'react';
import { useAnswer } from '../api/use-answer.ts';
import { Answered } from '../parts/answered.tsx';
import { Card } from '../parts/card.tsx';
import { IncidentRow } from '../parts/incident-row.tsx';
import { Page } from '../parts/page.tsx';

export function Incidents() {
  const [status, setStatus] = useState<'unresolved' | 'all'>('unresolved');
  const incidents = useAnswer('/api/v1/incidents', { query: { status, limit: 100 } });
  return (
    <Page
      title="Incidents"
      actions={
        <SegmentedControl
          size="xs"
          value={status}
          onChange={(value) => setStatus(value)}
          data={[
            { value: 'unresolved', label: 'Open' },
            { value: 'all', label: 'All' },
          ]}
          aria-label="Which"
        />
      }
    >
      <Answered answer={incidents} lines={6}>
        {({ items }) =>
          items.length === 0 ? (
            <Text c="dimmed" mt="md">
              {status === 'all' ? 'There has been none.' : 'Nothing is wrong that Steward knows of.'}
            </Text>
          ) : (
            <Card>
              {items.map((incident) => (
                <IncidentRow key={incident.id} incident={incident} />
              ))}
            </Card>
          )
        }
      </Answered>
    </Page>
  );
}
