import { Button, Group, Text, TextInput } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import type { Answer } from '../api/client.ts';
import { useSession } from '../session/session.tsx';
import { Ago, Until } from './ago.tsx';
import { Ask } from './ask.tsx';
import { Row } from './card.tsx';
import { useCommand } from './use-command.ts';

type Waiting = Answer<'/api/v1/workflow-questions'>['items'][number];

/** A workflow waits for a person: what it asks, and the answers that it offers. */
export function Question({ waiting }: { readonly waiting: Waiting }) {
  const { execution, step, workflow, question, answers, role, since, until } = waiting;
  const { me, may } = useSession();
  const [answer, setAnswer] = useState<string>();
  const send = useCommand('/api/v1/answer-workflow', { done: 'Answered. The workflow goes on.', quiet: true });
  const mayAnswer = may('operate') && me.role !== 'agent' && (role !== 'admin' || me.role === 'admin');
  return (
    <Row>
      <div className="grow">
        {question}
        <Text size="sm" c="dimmed">
          <Link to="/workflow-executions/$id" params={{ id: execution }}>
            {workflow}
          </Link>
          {since !== undefined && (
            <>
              {' waits since '}
              <Ago at={since} bare />
            </>
          )}
          {until !== undefined && (
            <>
              {', the time for an answer is over '}
              <Until at={until} />
            </>
          )}
        </Text>
      </div>
      {mayAnswer ? (
        <Group gap="xs">
          {answers.map((each, index) => (
            <Button key={each} size="xs" variant={index === 0 ? 'filled' : 'default'} onClick={() => setAnswer(each)}>
              {each}
            </Button>
          ))}
        </Group>
      ) : (
        <Text size="sm" c="dimmed">
          {role === 'admin' ? 'An administrator answers.' : 'An operator answers.'}
        </Text>
      )}
      <Ask
        title={question}
        text={`${workflow} goes on with “${answer ?? ''}”.`}
        button={`Answer ${answer ?? ''}`}
        opened={answer !== undefined}
        close={() => setAnswer(undefined)}
        submit={({ comment }) =>
          send.mutateAsync({ body: { id: execution, step, answer: answer ?? '', ...(comment && { comment }) } })
        }
      >
        <TextInput name="comment" label="Comment" description="Stands in the record." maxLength={500} />
      </Ask>
    </Row>
  );
}
