import { Button, Code, Group, Text } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { Link } from '@tanstack/react-router';
import { useAnswer } from '../../api/use-answer.ts';
import { Ago, Until } from '../../parts/ago.tsx';
import { Answered } from '../../parts/answered.tsx';
import { Ask } from '../../parts/ask.tsx';
import { Row } from '../../parts/card.tsx';
import { sizeOf } from '../../parts/length.ts';
import { State } from '../../parts/state.tsx';
import { useCommand } from '../../parts/use-command.ts';
import { useSession } from '../../session/session.tsx';
import { STATES, type Webhook } from './states.ts';

export function DeliveryLine({ webhook }: { readonly webhook: Webhook }) {
  const { me, may } = useSession();
  const { id, type, state, receivedAt, source, address, bytes, replays, key, problem } = webhook;
  const [opened, { toggle }] = useDisclosure();
  const { label, tone } = STATES[state];
  return (
    <Row>
      <div className="grow">
        <strong>{type}</strong> <State word={label} tone={tone} />
        <Text size="sm" c="dimmed">
          <Ago at={receivedAt} /> from {source} at {address}, {sizeOf(bytes)}
          {key !== undefined && ` · about ${key}`}
          {replays > 0 && ` · replayed ${replays === 1 ? 'once' : `${replays} times`}`}
        </Text>
        {problem !== undefined && <Text size="sm">{problem}</Text>}
      </div>
      {may('operate') && (
        <Group gap="xs">
          <Button
            size="compact-sm"
            variant="default"
            onClick={toggle}
            aria-expanded={opened}
            aria-label={`${opened ? 'Less' : 'Show'} ${id}`}
          >
            {opened ? 'Less' : 'Show'}
          </Button>
          {me.role !== 'agent' && <Replay webhook={webhook} />}
        </Group>
      )}
      {opened && (
        <div className="below">
          <Sent id={id} />
        </div>
      )}
    </Row>
  );
}

/** What was sent, without secrets, and what it started. */
function Sent({ id }: { readonly id: string }) {
  const one = useAnswer('/api/v1/webhook-get', { query: { id } });
  return (
    <Answered answer={one} lines={3}>
      {({ data, attempts, senderId, eventId }) => (
        <>
          <Text size="sm" mt="xs">
            {id}
            {senderId !== undefined && `, ${senderId} to its sender`}
            {eventId !== undefined && `, event ${eventId}`}
          </Text>
          {attempts.length === 0 ? (
            <Text size="sm">It started nothing.</Text>
          ) : (
            <ul>
              {attempts.map(({ executionId, workflow, attempt, status, problem, retryAt }) => (
                <li key={executionId}>
                  <State word={status} />{' '}
                  <Link to="/workflow-executions/$id" params={{ id: executionId }}>
                    {workflow}
                  </Link>
                  {attempt > 1 && `, attempt ${attempt}`}
                  {problem !== undefined && `: ${problem}`}
                  {retryAt !== undefined && (
                    <>
                      {', again '}
                      <Until at={retryAt} />
                    </>
                  )}
                </li>
              ))}
            </ul>
          )}
          <Code block mt="xs">
            {JSON.stringify(data, undefined, 2)}
          </Code>
        </>
      )}
    </Answered>
  );
}

function Replay({ webhook: { id, type, replays } }: { readonly webhook: Webhook }) {
  const [opened, { open, close }] = useDisclosure();
  const replay = useCommand('/api/v1/replay-webhook', { done: 'It is told of again.', quiet: true });
  return (
    <>
      <Button size="compact-sm" variant="default" onClick={open} aria-label={`Replay… ${id}`}>
        Replay…
      </Button>
      <Ask
        title={`Replay this webhook of ${type}?`}
        text={`Whatever waits for ${type} starts once more with what was sent then.${replays > 0 ? ` It was replayed ${replays} times before.` : ''}`}
        button="Replay"
        opened={opened}
        close={close}
        submit={() => replay.mutateAsync({ body: { id } })}
      />
    </>
  );
}
