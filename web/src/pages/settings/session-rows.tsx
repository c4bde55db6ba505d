import { Button, Text } from '@mantine/core';
import type { Answer } from '../../api/client.ts';
import { useAnswer } from '../../api/use-answer.ts';
import { Ago, Until } from '../../parts/ago.tsx';
import { Card, Row, Section } from '../../parts/card.tsx';
import { State } from '../../parts/state.tsx';
import { useCommand } from '../../parts/use-command.ts';
import { programOf } from './program.ts';

type SignedIn = Answer<'/api/v1/sessions'>['items'][number];

export function OwnSessions({ name }: { readonly name: string }) {
  const sessions = useAnswer('/api/v1/sessions').data?.items.filter(({ user }) => user === name) ?? [];
  const elsewhere = useCommand('/api/v1/sign-out-everywhere', { done: 'You are signed in here only.' });
  return (
    <Section
      title="Where you are signed in"
      count={sessions.length}
      actions={
        sessions.length > 1 && (
          <Button variant="default" size="xs" loading={elsewhere.isPending} onClick={() => elsewhere.mutate({})}>
            Sign out everywhere else
          </Button>
        )
      }
    >
      <Card>
        {sessions.map((session) => (
          <SessionRow key={session.id} session={session} />
        ))}
      </Card>
    </Section>
  );
}

export function SessionRow({ session, who = false }: { readonly session: SignedIn; readonly who?: boolean }) {
  const end = useCommand('/api/v1/end-session', { done: 'The session is over.' });
  const { id, user, address, userAgent, seenAt, expiresAt, current } = session;
  return (
    <Row>
      <div className="grow">
        {who && `${user}, `}
        <strong>{programOf(userAgent)}</strong> {current && <State word="this session" tone="good" />}{' '}
        <Text span size="sm" c="dimmed">
          from {address}, seen <Ago at={seenAt} />, ends <Until at={expiresAt} />
        </Text>
      </div>
      {!current && (
        <Button
          variant="default"
          size="xs"
          aria-label={`End the session of ${programOf(userAgent)} from ${address}`}
          loading={end.isPending}
          onClick={() => end.mutate({ body: { id } })}
        >
          End
        </Button>
      )}
    </Row>
  );
}
