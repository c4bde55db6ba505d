import { Button, NativeSelect, Text } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { useState } from 'react';
import { useAnswer } from '../../api/use-answer.ts';
import { Answered } from '../../parts/answered.tsx';
import { Card, Row, Section } from '../../parts/card.tsx';
import { Outcome } from './outcome.tsx';
import type { Request } from './request.ts';
import { Why } from './why.tsx';

/** The last requests that were refused or failed, each with why. */
export function RefusedHere({ routes }: { readonly routes: readonly string[] }) {
  const [route, setRoute] = useState('');
  const refused = useAnswer(
    '/api/v1/gateway-refused',
    { query: { limit: 50, ...(route && { route }) } },
    { often: true },
  );
  return (
    <Section
      title="Refused or failed lately"
      actions={
        <NativeSelect
          aria-label="Route"
          value={route}
          onChange={(event) => setRoute(event.currentTarget.value)}
          data={[{ value: '', label: 'every route' }, ...routes.map((value) => ({ value, label: value }))]}
        />
      }
    >
      <Answered answer={refused}>
        {({ items }) => (
          <Card>
            {items.length === 0 ? (
              <Row>
                <Text c="dimmed">Nothing was refused, and nothing failed.</Text>
              </Row>
            ) : (
              items.map((request) => <Line key={request.id} request={request} />)
            )}
          </Card>
        )}
      </Answered>
    </Section>
  );
}

function Line({ request }: { readonly request: Request }) {
  const { id } = request;
  const [opened, { toggle }] = useDisclosure();
  return (
    <Row>
      <div className="grow">
        <Outcome request={request} />
      </div>
      <Button
        size="compact-sm"
        variant="default"
        onClick={toggle}
        aria-expanded={opened}
        aria-label={`${opened ? 'Less' : 'Why'} (${id})`}
      >
        {opened ? 'Less' : 'Why'}
      </Button>
      {opened && (
        <div className="below">
          <Why request={request} />
        </div>
      )}
    </Row>
  );
}
