import { Alert, Button, Text } from '@mantine/core';
import { useState } from 'react';
import type { Answer } from '../../api/client.ts';
import { wordsOf } from '../../api/refused.ts';
import { useAnswer } from '../../api/use-answer.ts';
import { Ago } from '../../parts/ago.tsx';
import { Answered } from '../../parts/answered.tsx';
import { Card, Row, Section } from '../../parts/card.tsx';
import { Page } from '../../parts/page.tsx';
import { State } from '../../parts/state.tsx';
import { useCommand } from '../../parts/use-command.ts';
import { useSession } from '../../session/session.tsx';

type Channels = Answer<'/api/v1/channels'>;

export function Channels() {
  const channels = useAnswer('/api/v1/channels');
  return (
    <Page title="Channels" about="Where do alerts go, and do they arrive?">
      <Answered answer={channels}>
        {({ items, notice, deadMan }) => (
          <>
            {notice !== undefined && (
              <Alert color="yellow" mb="md">
                {notice}
              </Alert>
            )}
            {items.length === 0 ? (
              <Text c="dimmed">None is configured: nobody hears of anything unless they look here.</Text>
            ) : (
              <Card>
                {items.map((channel) => (
                  <ChannelRow key={channel.name} channel={channel} />
                ))}
              </Card>
            )}
            <DeadMan deadMan={deadMan} />
          </>
        )}
      </Answered>
    </Page>
  );
}

function ChannelRow({ channel }: { readonly channel: Channels['items'][number] }) {
  const { may } = useSession();
  const { name, kind, minSeverity, state, pending, lastDelivery, lastError } = channel;
  const [told, setTold] = useState<string>();
  const test = useCommand('/api/v1/test-channel', { quiet: true });

  async function send(): Promise<void> {
    setTold(undefined);
    try {
      const { receipt } = await test.mutateAsync({ body: { channel: name } });
      setTold(`The receiver answered: ${receipt}`);
    } catch (refused) {
      setTold(wordsOf(refused));
    }
  }

  return (
    <Row>
      <div className="grow">
        <strong>{name}</strong> <State word={state} />{' '}
        <Text span size="sm" c="dimmed">
          {kind}, from {minSeverity} on
          {pending > 0 && `, ${pending} waiting`}
          {lastDelivery !== undefined && (
            <>
              , delivered <Ago at={lastDelivery} />
            </>
          )}
        </Text>
        {lastError !== undefined && <Text size="sm">Last error: {lastError}</Text>}
        <Text size="sm" role="status">
          {told}
        </Text>
      </div>
      {may('operate') && (
        <Button
          variant="default"
          size="xs"
          aria-label={`Send a test alert through ${name}`}
          loading={test.isPending}
          onClick={() => void send()}
        >
          Send a test
        </Button>
      )}
    </Row>
  );
}

function DeadMan({ deadMan: { configured, lastSuccess, lastError } }: { readonly deadMan: Channels['deadMan'] }) {
  return (
    <Section title="Who notices when Steward itself is gone">
      <Card>
        <Row>
          {configured ? (
            <>
              <State word={lastError !== undefined ? 'failing' : lastSuccess === undefined ? 'waiting' : 'working'} />
              <Text size="sm" className="grow">
                {lastSuccess !== undefined && (
                  <>
                    A sign of life was taken <Ago at={lastSuccess} />.{' '}
                  </>
                )}
                {lastError}
              </Text>
            </>
          ) : (
            <Text c="dimmed">
              Nobody: no service outside expects a sign of life. Name one as alerts.deadMan in the configuration.
            </Text>
          )}
        </Row>
      </Card>
    </Section>
  );
}
