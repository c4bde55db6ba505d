import { NativeSelect, Text, TextInput } from '@mantine/core';
import { useState } from 'react';
import type { Answer, Told200 } from '../../api/client.ts';
import { useAnswer } from '../../api/use-answer.ts';
import { Ago } from '../../parts/ago.tsx';
import { Answered } from '../../parts/answered.tsx';
import { Card, Row } from '../../parts/card.tsx';
import { Page } from '../../parts/page.tsx';
import { Proven } from '../../parts/proven.tsx';
import { ShownOnce } from '../../parts/shown-once.tsx';
import { State } from '../../parts/state.tsx';
import { useCommand } from '../../parts/use-command.ts';
import { useSession } from '../../session/session.tsx';
import { NodeActions } from './node-actions.tsx';

type Node = Answer<'/api/v1/registry-nodes'>['items'][number];

/** A clock that is off by more than this is told of: schedules and proofs lean on it. */
const SKEW_WORTH_TELLING_MS = 2_000;

export function Nodes() {
  const { may } = useSession();
  const nodes = useAnswer('/api/v1/registry-nodes');
  return (
    <Page
      title="Nodes"
      about="Which machines run Steward on this store, and are they alive?"
      actions={may('administer') && <Invite />}
    >
      <Answered answer={nodes}>
        {({ items }) => (
          <Card>
            {items.map((node) => (
              <NodeRow key={node.id} node={node} />
            ))}
          </Card>
        )}
      </Answered>
    </Page>
  );
}

function NodeRow({ node }: { readonly node: Node }) {
  const { name, version, state, draining, runsInFlight, labels, address, lastHeartbeat, startedAt, clockSkewMs } = node;
  return (
    <Row>
      <div className="grow">
        <strong>{name}</strong> <State word={state} /> {draining && <State word="draining" tone="warn" />}
        <Text size="sm" c="dimmed">
          Steward {version}
          {address !== undefined && ` at ${address}`}, {runsInFlight === 1 ? 'one run' : `${runsInFlight} runs`} in
          flight, heard of <Ago at={lastHeartbeat} />, started <Ago at={startedAt} />
        </Text>
        {Math.abs(clockSkewMs ?? 0) > SKEW_WORTH_TELLING_MS && (
          <Text size="sm">Its clock is off by {Math.round(clockSkewMs ?? 0)} ms.</Text>
        )}
        {Object.keys(labels).length > 0 && (
          <Text size="sm">
            {Object.entries(labels).map(([key, value]) => (
              <span key={key}>
                <State word={`${key}=${value}`} tone="calm" />{' '}
              </span>
            ))}
          </Text>
        )}
      </div>
      <NodeActions node={node} />
    </Row>
  );
}

function Invite() {
  const [made, setMade] = useState<Told200<'/api/v1/node-invite'>>();
  const invite = useCommand('/api/v1/node-invite', { quiet: true });
  return (
    <>
      <Proven
        label="Invite a node…"
        variant="filled"
        title="Invite a node"
        text="One more machine joins this store, once, with a token that is shown once."
        button="Invite"
        purpose="invite-node"
        act={async ({ expires = '1h', databaseUrl }, proof) =>
          setMade(
            await invite.mutateAsync({
              body: { expires, ...(databaseUrl !== undefined && { databaseUrl }), ...(proof && { proof }) },
            }),
          )
        }
      >
        <NativeSelect
          name="expires"
          label="The invitation lasts"
          defaultValue="1h"
          data={[
            { value: '10m', label: 'ten minutes' },
            { value: '1h', label: 'an hour' },
            { value: '24h', label: 'a day' },
          ]}
        />
        <TextInput
          name="databaseUrl"
          label="Address of the store, as seen from there"
          description="Empty: the one this node uses"
          placeholder="postgres://steward@db.internal/steward"
          maxLength={2000}
          autoComplete="off"
          spellCheck={false}
        />
      </Proven>
      <ShownOnce
        title="Run this on the other machine"
        text={
          made && (
            <>
              It works once, until {new Date(made.expiresAt).toLocaleString()}. {made.note}
            </>
          )
        }
        secret={made?.command}
        done={() => setMade(undefined)}
      />
    </>
  );
}
