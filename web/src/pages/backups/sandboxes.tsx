import { Button, Code, CopyButton, Group, Text } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import type { Answer } from '../../api/client.ts';
import { useAnswer } from '../../api/use-answer.ts';
import { Until } from '../../parts/ago.tsx';
import { Card, Row, Section } from '../../parts/card.tsx';
import { PlanLink } from '../../parts/plan-link.tsx';
import { useSession } from '../../session/session.tsx';

type Sandbox = Answer<'/api/v1/backup-sandboxes'>['items'][number];

/** Copies that somebody is looking at: how to get there, and until when. Nothing where there are none. */
export function Sandboxes({ source }: { readonly source?: string }) {
  const { data } = useAnswer('/api/v1/backup-sandboxes');
  const open = data?.items.filter((each) => source === undefined || each.source === source) ?? [];
  if (open.length === 0) return null;
  return (
    <Section title="Open sandboxes" count={open.length}>
      <Card>
        {open.map((sandbox) => (
          <SandboxRow key={sandbox.id} sandbox={sandbox} />
        ))}
      </Card>
    </Section>
  );
}

function SandboxRow({ sandbox: { id, source, copy, snapshotAt, until, connect } }: { readonly sandbox: Sandbox }) {
  const { may } = useSession();
  return (
    <Row>
      <div className="grow">
        <strong>{source}</strong>{' '}
        <Text span size="sm" c="dimmed">
          as it was at{' '}
          <Link to="/backups/$source/$copy" params={{ source, copy }}>
            {new Date(snapshotAt).toLocaleString()}
          </Link>
          , goes by itself <Until at={until} />
        </Text>
        <Code block mt={4}>
          {connect}
        </Code>
        <Group justify="flex-end" mt={4}>
          <CopyButton value={connect}>
            {({ copied, copy: take }) => (
              <Button size="xs" variant="default" onClick={take}>
                {copied ? 'Copied' : 'Copy'}
              </Button>
            )}
          </CopyButton>
          {may('operate') && (
            <PlanLink size="xs" automation="close-sandbox" input={{ sandbox: id }}>
              Close…
            </PlanLink>
          )}
        </Group>
      </div>
    </Row>
  );
}
