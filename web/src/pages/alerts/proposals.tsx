import { Button, Text } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import type { Answer } from '../../api/client.ts';
import { useAnswer } from '../../api/use-answer.ts';
import { Until } from '../../parts/ago.tsx';
import { Answered } from '../../parts/answered.tsx';
import { Ask } from '../../parts/ask.tsx';
import { Card, Row, Section } from '../../parts/card.tsx';
import { State } from '../../parts/state.tsx';
import { useCommand } from '../../parts/use-command.ts';
import { useSession } from '../../session/session.tsx';

type Proposal = Answer<'/api/v1/alert-proposals'>['items'][number];

const WORDS = { proposed: 'proposed', accepted: 'in the digest only', declined: 'told as ever' } as const;

/** What people hardly ever act on could be told in the digest alone: with what that would have silenced. */
export function Proposals() {
  const proposals = useAnswer('/api/v1/alert-proposals');
  return (
    <Section title="Proposed for the digest">
      <Answered answer={proposals} lines={2}>
        {({ items }) =>
          items.length === 0 ? (
            <Text c="dimmed">Nothing: people act on what they are told, or there is too little of it to say.</Text>
          ) : (
            <Card>
              {items.map((proposal) => (
                <Line key={proposal.id} proposal={proposal} />
              ))}
            </Card>
          )
        }
      </Answered>
    </Section>
  );
}

function Line({ proposal }: { readonly proposal: Proposal }) {
  const { me, may } = useSession();
  const { state, rule, severity, replay, decidedBy, until } = proposal;
  // Who is told is for people to decide.
  const mayDecide = may('operate') && me.role !== 'agent';
  return (
    <Row>
      <State word={WORDS[state]} tone={state === 'proposed' ? 'warn' : 'calm'} />
      <div className="grow">
        <strong>{rule}</strong> {severity === 'critical' && <State word="critical" />}
        <Text size="sm" c="dimmed">
          {replay}
          {decidedBy !== undefined && ` ${decidedBy} decided.`}
          {until !== undefined && (
            <>
              {' '}
              Asked again <Until at={until} />.
            </>
          )}
        </Text>
      </div>
      {mayDecide && state !== 'accepted' && <Decide proposal={proposal} way="accept" />}
      {mayDecide && state !== 'declined' && <Decide proposal={proposal} way="decline" />}
    </Row>
  );
}

const WAYS = {
  accept: {
    word: 'Accept',
    text: 'For 90 days only the digest tells of it. Incidents are opened, shown and healed as ever, and what is worse than it was is told.',
  },
  decline: { word: 'Dismiss', text: 'It is told as ever, and not asked again for 90 days.' },
} as const;

function Decide({ proposal, way }: { readonly proposal: Proposal; readonly way: keyof typeof WAYS }) {
  const { id, rule, severity, replay } = proposal;
  const [opened, { open, close }] = useDisclosure();
  const accept = useCommand('/api/v1/accept-alert-proposal', { quiet: true });
  const decline = useCommand('/api/v1/decline-alert-proposal', { quiet: true });
  const { word, text } = WAYS[way];
  const isCritical = way === 'accept' && severity === 'critical';
  return (
    <>
      <Button size="compact-sm" variant="default" onClick={open} aria-label={`${word}… ${rule}`}>
        {word}…
      </Button>
      <Ask
        title={`${word}: ${rule}?`}
        text={
          <>
            {text} {replay}
            {isCritical && <strong> What was told of it was critical.</strong>}
          </>
        }
        button={isCritical ? 'Accept, though it was critical' : word}
        danger={isCritical}
        opened={opened}
        close={close}
        submit={() =>
          way === 'accept'
            ? accept.mutateAsync({ body: { id, critical: isCritical } })
            : decline.mutateAsync({ body: { id } })
        }
      />
    </>
  );
}
