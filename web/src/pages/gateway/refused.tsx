import { Button, NativeSelect, Text } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { useState } from 'react';
import { useAnswer } from '../../api/use-answer.ts';
import { Ago } from '../../parts/ago.tsx';
import { Answered } from '../../parts/answered.tsx';
import { Card, Row, Section } from '../../parts/card.tsx';
import { State } from '../../parts/state.tsx';
import { reasonsOf, type Request, textOf } from './request.ts';
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
  const { id, at, address, method, path, rule, status } = request;
  const [opened, { toggle }] = useDisclosure();
  return (
    <Row>
      <div className="grow">
        <strong>
          {method ?? 'unreadable'} {path}
        </strong>{' '}
        <State word={rule} tone={status !== undefined && status >= 500 ? 'bad' : 'warn'} />
        <Text size="sm">{reasonsOf(request).join(' ')}</Text>
        <Text size="sm" c="dimmed">
          {status === undefined ? 'no answer' : `HTTP ${status}`} to {textOf(request, 'user') ?? address}
          {textOf(request, 'route') !== undefined && ` by ${textOf(request, 'route')}`}, <Ago at={at} />
        </Text>
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
