import { Button, Text } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import type { Answer } from '../../api/client.ts';
import { Ago, Until } from '../../parts/ago.tsx';
import { Ask } from '../../parts/ask.tsx';
import { Card, Row, Section } from '../../parts/card.tsx';
import { State } from '../../parts/state.tsx';
import { useCommand } from '../../parts/use-command.ts';
import { useSession } from '../../session/session.tsx';

type Silence = Answer<'/api/v1/silences'>['items'][number];

interface SilencesProps {
  readonly title: string;
  readonly none?: string;
  readonly silences: readonly Silence[];
}

export function Silences({ title, none, silences }: SilencesProps) {
  if (silences.length === 0 && none === undefined) return undefined;
  return (
    <Section title={title} count={silences.length > 0 ? silences.length : undefined}>
      {silences.length === 0 ? (
        <Text c="dimmed">{none}</Text>
      ) : (
        <Card>
          {silences.map((silence) => (
            <Line key={silence.id} silence={silence} />
          ))}
        </Card>
      )}
    </Section>
  );
}

const WORDS = { active: 'silent', planned: 'planned', ended: 'over' } as const;

function Line({ silence }: { readonly silence: Silence }) {
  const { state, quiet, reason, actor, startsAt, endsAt, endedAt } = silence;
  return (
    <Row>
      <State word={WORDS[state]} tone={state === 'active' ? 'warn' : 'calm'} />
      <div className="grow">
        {quiet}
        <Text size="sm" c="dimmed">
          {reason} · by {actor}
        </Text>
      </div>
      <Text size="sm" c="dimmed" component="span">
        {state === 'active' && (
          <>
            ends <Until at={endsAt} />
          </>
        )}
        {state === 'planned' && (
          <>
            begins <Until at={startsAt} />
          </>
        )}
        {state === 'ended' && <Ago at={endedAt ?? endsAt} />}
      </Text>
      {state !== 'ended' && <EndIt silence={silence} />}
    </Row>
  );
}

function EndIt({ silence: { id, state, quiet } }: { readonly silence: Silence }) {
  const { me, may } = useSession();
  const [opened, { open, close }] = useDisclosure();
  const end = useCommand('/api/v1/end-silence', { done: 'It is told again.', quiet: true });
  if (!may('operate') || me.role === 'agent') return undefined;
  const word = state === 'active' ? 'End' : 'Take back';
  return (
    <>
      <Button size="compact-sm" variant="default" onClick={open} aria-label={`${word}… ${quiet}`}>
        {word}…
      </Button>
      <Ask
        title={`${word}: ${quiet}?`}
        text={state === 'active' ? 'What is still open of it is told at once.' : 'It will not begin.'}
        button={word}
        opened={opened}
        close={close}
        submit={() => end.mutateAsync({ body: { id } })}
      />
    </>
  );
}
