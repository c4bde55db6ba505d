import { Button, Group, Text } from '@mantine/core';
import { useState } from 'react';
import type { Answer } from '../../api/client.ts';
import { wordsOf } from '../../api/refused.ts';
import { useAnswer } from '../../api/use-answer.ts';
import { Card, Row } from '../../parts/card.tsx';
import { State } from '../../parts/state.tsx';

type Verified = Answer<'/api/v1/audit-verify'>;

/** Whether the record is whole. Reading all of it takes a while, so it is read when somebody asks. */
export function Chain() {
  const [asked, setAsked] = useState(false);
  const { data, error, isFetching, refetch } = useAnswer('/api/v1/audit-verify', {}, { when: asked, still: true });
  const deliveries = useAnswer('/api/v1/audit-deliveries').data?.items ?? [];
  return (
    <Card tone={data?.ok === false ? 'bad' : undefined}>
      <Row>
        <div className="grow" role="status">
          {data ? (
            <Verdict verified={data} />
          ) : (
            <Text c="dimmed">
              {error
                ? wordsOf(error)
                : 'Each record is chained to the one before it: whether one was changed, removed or moved can be seen.'}
            </Text>
          )}
          {deliveries.map(({ kind, to, behind, error: problem }) => (
            <Text key={`${kind} ${to}`} size="sm" c="dimmed">
              {kind === 'forward' ? 'Also goes to' : 'Checkpoints are kept at'} {to}
              {behind > 0 && `, ${behind} records behind`}
              {problem !== undefined && `: ${problem}`}
            </Text>
          ))}
        </div>
        <Button
          size="xs"
          variant="default"
          loading={isFetching}
          onClick={() => (asked ? void refetch() : setAsked(true))}
        >
          Verify the chain
        </Button>
      </Row>
    </Card>
  );
}

function Verdict({ verified: { ok, records, checkpoints, places, problem, others } }: { readonly verified: Verified }) {
  return (
    <>
      <Group gap="xs">
        <State word={ok ? 'whole' : 'broken'} tone={ok ? 'good' : 'bad'} />
        <span>
          {problem === undefined
            ? `${records} records were read, ${checkpoints} checkpoints agree.`
            : `Record ${problem.seq} was ${problem.kind}: ${problem.message}`}
        </span>
      </Group>
      {places.map(({ place, checkpoints: agreed, error }) => (
        <Text key={place} size="sm" c="dimmed">
          {place}: {error ?? `${agreed} checkpoints agree`}
        </Text>
      ))}
      {others.map(({ chain, node, records: count }) => (
        <Text key={chain} size="sm" c="dimmed">
          {node} keeps a chain of its own, {count} records: it verifies that itself.
        </Text>
      ))}
    </>
  );
}
