import { Button, Group, Text } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import type { Answer } from '../../api/client.ts';
import { useAnswer } from '../../api/use-answer.ts';
import { Ago } from '../../parts/ago.tsx';
import { Answered } from '../../parts/answered.tsx';
import { Card, Row } from '../../parts/card.tsx';
import { tookOf } from '../../parts/length.ts';
import { Page } from '../../parts/page.tsx';
import { State } from '../../parts/state.tsx';
import type { Tone } from '../../parts/tone.ts';
import { useSession } from '../../session/session.tsx';
import { Invite, InviteAnew } from './invite.tsx';
import { Looks } from './looks.tsx';
import { Remove } from './remove.tsx';

type Place = Answer<'/api/v1/places'>['items'][number];

const TONES = {
  invited: 'calm',
  joined: 'calm',
  reporting: 'good',
  unwell: 'warn',
  silent: 'bad',
} as const satisfies Record<Place['state'], Tone>;

/** From where else services are looked at, and how each of these places is itself. */
export function Places() {
  const { me, may } = useSession();
  const places = useAnswer('/api/v1/places', {}, { often: true });
  return (
    <Page
      title="Places"
      about={places.data && sentence(places.data.items)}
      actions={may('administer') && me.role !== 'agent' && <Invite key="invite" />}
    >
      <Answered answer={places}>
        {({ items }) =>
          items.length === 0 ? (
            <Text c="dimmed" mt="md">
              Services are looked at from this machine alone, and when its uplink fails, everything seems to be down.
              Invite another machine, and say <code>places</code> at the services that it is to look at.
            </Text>
          ) : (
            <Card>
              {items.map((place) => (
                <Line key={place.name} place={place} />
              ))}
            </Card>
          )
        }
      </Answered>
    </Page>
  );
}

function sentence(items: readonly Place[]): string {
  if (items.length === 0) return 'Other machines that look at the same services.';
  const troubled = items.filter(({ state }) => TONES[state] === 'bad' || TONES[state] === 'warn');
  if (troubled.length > 0) return `What they see does not count: ${troubled.map(({ name }) => name).join(', ')}.`;
  const waiting = items.filter(({ state }) => state !== 'reporting').length;
  return waiting === 0 ? 'All of them report.' : `${items.length - waiting} of ${items.length} report.`;
}

function Line({ place }: { readonly place: Place }) {
  const { me, may } = useSession();
  const { name, state, message, seenAt, from, software, checks, latencyMs, dropped } = place;
  const [opened, { toggle }] = useDisclosure();
  const facts = [
    software,
    from !== undefined && `from ${from}`,
    checks === 1 ? 'looks at one check' : `looks at ${checks} checks`,
    latencyMs !== undefined && `answers in ${tookOf(latencyMs)}`,
    dropped > 0 && `gave up ${dropped} results`,
  ].filter((fact) => typeof fact === 'string');
  return (
    <Row>
      <div className="grow">
        <strong>{name}</strong> <State word={state} tone={TONES[state]} />
        <Text size="sm">{message}</Text>
        <Text size="sm" c="dimmed">
          {seenAt === undefined ? (
            'never heard'
          ) : (
            <>
              heard <Ago at={seenAt} />
            </>
          )}
          {facts.map((fact) => ` · ${fact}`)}
        </Text>
      </div>
      <Group gap="xs">
        <Button
          size="compact-sm"
          variant="default"
          onClick={toggle}
          aria-expanded={opened}
          aria-label={opened ? `Less about ${name}` : `Checks of ${name}`}
        >
          {opened ? 'Less' : 'Checks'}
        </Button>
        {may('administer') && me.role !== 'agent' && (
          <>
            <InviteAnew name={name} />
            <Remove name={name} />
          </>
        )}
      </Group>
      {opened && (
        <div className="below">
          <Looks place={name} />
        </div>
      )}
    </Row>
  );
}
