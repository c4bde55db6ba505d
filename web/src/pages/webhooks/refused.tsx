import { Text } from '@mantine/core';
import type { Answer } from '../../api/client.ts';
import { Ago } from '../../parts/ago.tsx';
import { Card, Row, Section } from '../../parts/card.tsx';
import { State } from '../../parts/state.tsx';

type Receiver = Answer<'/api/v1/webhook-receiver'>;

/** Why, where the sender is told less: it may be anybody. */
const HELP: Readonly<Record<string, string>> = {
  signature: 'The secret here and at the sender differ, or something on the way changed the body.',
  time: 'It is too old, or the clocks differ.',
  address: 'Its type is taken from other addresses only.',
  'no-secret': 'No type of that name is configured here, or it has no secret.',
  schema: 'It is not as the schema of its type wants it.',
  rate: 'More than its type takes in that time.',
};

interface RefusedProps {
  readonly lately: Receiver['lately'];
  readonly counts: Receiver['refused'];
}

export function Refused({ lately, counts }: RefusedProps) {
  const reasons = Object.entries(counts).toSorted(([, one], [, other]) => other - one);
  if (reasons.length === 0) return undefined;
  return (
    <Section title="Refused" count={reasons.map(([reason, count]) => `${reason} ${count}`).join(', ')}>
      <Card>
        {alike(lately).map(({ key, times, latest: { at, path, address, reason, status, message } }) => (
          <Row key={key}>
            <div className="grow">
              <strong>{path}</strong> <State word={reason} tone="warn" />
              <Text size="sm">{HELP[reason] ?? message}</Text>
              <Text size="sm" c="dimmed">
                HTTP {status} to {address}, <Ago at={at} />
                {times > 1 && ` · ${times} times`}
                {HELP[reason] !== undefined && ` · it was told: ${message}`}
              </Text>
            </div>
          </Row>
        ))}
      </Card>
    </Section>
  );
}

/** Whoever is refused tries again: that is one line. */
function alike(lately: RefusedProps['lately']) {
  const lines = new Map<string, { readonly latest: RefusedProps['lately'][number]; times: number }>();
  for (const latest of lately) {
    const key = [latest.reason, latest.address, latest.path].join(' ');
    const line = lines.get(key);
    if (line) line.times += 1;
    else lines.set(key, { latest, times: 1 });
  }
  return [...lines].map(([key, line]) => ({ key, ...line }));
}
