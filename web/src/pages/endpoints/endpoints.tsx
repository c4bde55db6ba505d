import { Button, Group, Text } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { useState } from 'react';
import { wordsOf } from '../../api/refused.ts';
import { useAnswer } from '../../api/use-answer.ts';
import { Ago, Until } from '../../parts/ago.tsx';
import { Answered } from '../../parts/answered.tsx';
import { Card, Row } from '../../parts/card.tsx';
import { Page } from '../../parts/page.tsx';
import { State } from '../../parts/state.tsx';
import type { Tone } from '../../parts/tone.ts';
import { useCommand } from '../../parts/use-command.ts';
import { useSession } from '../../session/session.tsx';
import { CreateEndpoint } from './create.tsx';
import { Deliveries } from './deliveries.tsx';
import type { Endpoint } from './endpoint.ts';
import { More } from './more.tsx';

/** Where events go, and whether they arrive. */
export function Endpoints() {
  const { me, may } = useSession();
  const endpoints = useAnswer('/api/v1/webhook-endpoints', {}, { often: true });
  return (
    <Page
      title="Endpoints"
      about={endpoints.data && sentence(endpoints.data.items)}
      actions={may('administer') && me.role !== 'agent' && <CreateEndpoint key="create" />}
    >
      <Answered answer={endpoints}>
        {({ items }) =>
          items.length === 0 ? (
            <Text c="dimmed" mt="md">
              No other program is told of what happens here. Create an endpoint, or name it as endpoints.list in
              steward.yaml.
            </Text>
          ) : (
            <Card>
              {items.map((endpoint) => (
                <Line key={endpoint.name} endpoint={endpoint} />
              ))}
            </Card>
          )
        }
      </Answered>
    </Page>
  );
}

function sentence(items: readonly Endpoint[]): string {
  if (items.length === 0) return 'Other programs that are told of what happens here.';
  const troubled = items.filter((endpoint) => howItIs(endpoint).tone !== 'good');
  return troubled.length === 0
    ? 'Whatever is sent is taken.'
    : `Not as it should be: ${troubled.map(({ name }) => name).join(', ')}.`;
}

function howItIs({ state, failures, failed, dropped }: Endpoint): { readonly word: string; readonly tone: Tone } {
  if (state === 'disabled') return { word: 'disabled', tone: 'bad' };
  if (failures > 0) return { word: 'failing', tone: 'warn' };
  return failed + dropped > 0 ? { word: 'incomplete', tone: 'warn' } : { word: 'working', tone: 'good' };
}

const counted = ({ waiting, missed, failed, dropped }: Endpoint): string =>
  [
    [waiting, 'waiting'],
    [missed, 'missed'],
    [failed, 'given up'],
    [dropped, 'dropped'],
  ]
    .filter(([count]) => count !== 0)
    .map(([count, word]) => `${count} ${word}`)
    .join(', ');

function Line({ endpoint }: { readonly endpoint: Endpoint }) {
  const { me, may } = useSession();
  const { name, host, events, why, lastError, notBefore, lastSuccessAt } = endpoint;
  const [opened, { toggle }] = useDisclosure();
  const { word, tone } = howItIs(endpoint);
  const counts = counted(endpoint);
  return (
    <Row>
      <div className="grow">
        <strong>{name}</strong> <State word={word} tone={tone} />
        <Text size="sm">
          {host}: {events.join(', ')}
        </Text>
        <Text size="sm" c="dimmed">
          {lastSuccessAt === undefined ? (
            'nothing was taken yet'
          ) : (
            <>
              last taken <Ago at={lastSuccessAt} />
            </>
          )}
          {counts !== '' && ` · ${counts}`}
          {notBefore !== undefined && endpoint.state === 'enabled' && (
            <>
              {' · left alone until '}
              <Until at={notBefore} />
            </>
          )}
        </Text>
        {(why ?? lastError) !== undefined && <Text size="sm">{why ?? lastError}</Text>}
        {opened && <Deliveries endpoint={name} />}
      </div>
      <Group gap="xs">
        <Button
          size="compact-sm"
          variant="default"
          onClick={toggle}
          aria-expanded={opened}
          aria-label={opened ? `Less about ${name}` : `Deliveries to ${name}`}
        >
          {opened ? 'Less' : 'Deliveries'}
        </Button>
        {may('operate') && me.role !== 'agent' && (
          <>
            <Test name={name} />
            <More endpoint={endpoint} />
          </>
        )}
      </Group>
    </Row>
  );
}

function Test({ name }: { readonly name: string }) {
  const [told, setTold] = useState<string>();
  const test = useCommand('/api/v1/test-webhook-endpoint', { quiet: true });

  async function send(): Promise<void> {
    setTold(undefined);
    try {
      const { ok, status, said, tookMs } = await test.mutateAsync({ body: { name } });
      const answer = `${status === undefined ? '' : `HTTP ${status} `}${said}`.trim();
      setTold(`${ok ? 'It was taken' : 'It was not taken'} (${tookMs} ms): ${answer}`);
    } catch (refused) {
      setTold(wordsOf(refused));
    }
  }

  return (
    <>
      <Button
        size="compact-sm"
        variant="default"
        loading={test.isPending}
        onClick={() => void send()}
        aria-label={`Test ${name}`}
      >
        Test
      </Button>
      <Text size="sm" role="status">
        {told}
      </Text>
    </>
  );
}
