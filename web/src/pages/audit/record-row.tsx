import { Button, Code, Collapse, Text } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { Link } from '@tanstack/react-router';
import type { Answer } from '../../api/client.ts';
import { Ago } from '../../parts/ago.tsx';
import { Row } from '../../parts/card.tsx';
import { State } from '../../parts/state.tsx';
import type { Tone } from '../../parts/tone.ts';

export type Recorded = Answer<'/api/v1/audit-logs'>['items'][number];

const TONES: Readonly<Record<Recorded['outcome'], Tone>> = {
  allowed: 'calm',
  succeeded: 'good',
  refused: 'warn',
  failed: 'bad',
};

/** One record; everything that is known of it shows when it is opened. */
export function RecordRow({ record }: { readonly record: Recorded }) {
  const [opened, { toggle }] = useDisclosure();
  const { at, action, outcome, actor, subject, from, node, reason } = record;
  return (
    <Row>
      <div className="grow">
        <strong>{actor.name}</strong> <code>{action}</code> <State word={outcome} tone={TONES[outcome]} />{' '}
        {subject && (
          <Link to="/audit/$kind/$id" params={{ kind: subject.kind, id: subject.id }}>
            {subject.kind} {subject.id}
          </Link>
        )}
        <Text size="sm" c="dimmed">
          {actor.role}
          {actor.onBehalfOf !== undefined && ` for ${actor.onBehalfOf}`}, from {from}
          {node !== undefined && ` at ${node}`}
          {reason !== undefined && `: ${reason}`}
        </Text>
        <Collapse expanded={opened}>{opened && <Whole record={record} />}</Collapse>
      </div>
      <Text size="sm" c="dimmed">
        <Ago at={at} />
      </Text>
      <Button
        size="compact-xs"
        variant="default"
        aria-expanded={opened}
        aria-label={`${opened ? 'Less' : 'More'} of record ${record.seq}`}
        onClick={toggle}
      >
        {opened ? 'Less' : 'More'}
      </Button>
    </Row>
  );
}

function Whole({ record }: { readonly record: Recorded }) {
  const { at, seq, chain, hash, requestId, causation, before, after, detail } = record;
  return (
    <>
      <dl className="facts">
        <dt>When</dt>
        <dd>{new Date(at).toLocaleString()}</dd>
        <dt>Record</dt>
        <dd>
          {seq} of the chain {chain}
        </dd>
        <dt>Hash</dt>
        <dd>
          <code>{hash}</code>
        </dd>
        {requestId !== undefined && (
          <>
            <dt>Request</dt>
            <dd>{requestId}</dd>
          </>
        )}
        {causation?.runId !== undefined && (
          <>
            <dt>Because of</dt>
            <dd>
              <Link to="/runs/$id" params={{ id: causation.runId }}>
                {causation.runId}
              </Link>
            </dd>
          </>
        )}
      </dl>
      {Object.entries({ Before: before, After: after, Detail: detail }).map(
        ([name, value]) =>
          value !== undefined &&
          value !== null && (
            <div key={name}>
              <Text size="sm" c="dimmed">
                {name}
              </Text>
              <Code block mb="xs">
                {JSON.stringify(value, null, 2)}
              </Code>
            </div>
          ),
      )}
    </>
  );
}
