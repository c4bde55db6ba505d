import { Button, Text, TextInput } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import type { Answer } from '../../api/client.ts';
import { Ago } from '../../parts/ago.tsx';
import { Ask } from '../../parts/ask.tsx';
import { Row } from '../../parts/card.tsx';
import { State } from '../../parts/state.tsx';
import { useCommand } from '../../parts/use-command.ts';
import { useSession } from '../../session/session.tsx';

interface TypeLineProps {
  readonly type: string;
  readonly pause: Answer<'/api/v1/webhook-receiver'>['pauses'][number] | undefined;
  readonly unreadable: boolean;
}

export function TypeLine({ type, pause, unreadable }: TypeLineProps) {
  const { me, may } = useSession();
  return (
    <Row>
      <div className="grow">
        <strong>{type}</strong>{' '}
        {pause ? (
          <State word="paused" />
        ) : (
          <State word={unreadable ? 'secret not readable' : 'on'} tone={unreadable ? 'bad' : 'good'} />
        )}
        {pause && (
          <Text size="sm" c="dimmed">
            {pause.reason || 'Nobody said why'}, by {pause.by}, <Ago at={pause.at} />. What comes is taken, and told of
            when it goes on.
          </Text>
        )}
      </div>
      {may('operate') && me.role !== 'agent' && (pause ? <Resume type={type} /> : <Pause type={type} />)}
    </Row>
  );
}

function Resume({ type }: { readonly type: string }) {
  const resume = useCommand('/api/v1/resume-webhooks', { done: `${type} goes on.` });
  return (
    <Button
      size="compact-sm"
      variant="default"
      loading={resume.isPending}
      onClick={() => resume.mutate({ body: { type } })}
      aria-label={`Resume ${type}`}
    >
      Resume
    </Button>
  );
}

function Pause({ type }: { readonly type: string }) {
  const [opened, { open, close }] = useDisclosure();
  const pause = useCommand('/api/v1/pause-webhooks', { done: `${type} is paused.`, quiet: true });
  return (
    <>
      <Button size="compact-sm" variant="default" onClick={open} aria-label={`Pause… (${type})`}>
        Pause…
      </Button>
      <Ask
        title={`Pause ${type}?`}
        text="What comes is taken all the same, and starts nothing until it goes on; then in its order."
        button="Pause"
        opened={opened}
        close={close}
        submit={({ reason = '' }) => pause.mutateAsync({ body: { type, reason } })}
      >
        <TextInput name="reason" label="Why" description="The next one who looks will be glad" maxLength={500} />
      </Ask>
    </>
  );
}
