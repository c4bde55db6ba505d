import { Button, Code, Collapse, CopyButton, Group, Text } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import type { Answer } from '../../api/client.ts';
import { useAnswer } from '../../api/use-answer.ts';
import { Answered } from '../../parts/answered.tsx';
import { Card, Row, Section } from '../../parts/card.tsx';
import { State } from '../../parts/state.tsx';

type Proposal = Answer<'/api/v1/backup-proposals'>['items'][number];

/** What was found on the machine and nothing copies, with what to write for it. */
export function Uncovered() {
  const proposals = useAnswer('/api/v1/backup-proposals');
  const count = proposals.data?.items.filter(({ coveredBy }) => coveredBy === undefined).length;
  return (
    <Section title="What nothing copies" count={count}>
      <Answered answer={proposals} lines={2}>
        {({ items }) => {
          const bare = items.filter(({ coveredBy }) => coveredBy === undefined);
          return bare.length === 0 ? (
            <Text c="dimmed">Every database, volume and file set that was found has a source that copies it.</Text>
          ) : (
            <Card tone="warn">
              {bare.map((proposal) => (
                <ProposalRow key={`${proposal.kind} ${proposal.name}`} proposal={proposal} />
              ))}
            </Card>
          );
        }}
      </Answered>
    </Section>
  );
}

function ProposalRow({ proposal: { name, kind, why, missing, yaml } }: { readonly proposal: Proposal }) {
  const [opened, { toggle }] = useDisclosure();
  return (
    <Row>
      <div className="grow">
        <strong>{name}</strong> <State word={kind} tone="calm" />
        <Text size="sm" c="dimmed">
          {why}
          {missing !== undefined && `; still needed: ${missing}`}
        </Text>
        <Collapse expanded={opened}>
          <Text size="sm" mt="xs">
            To copy it, write below backups.sources in the configuration:
          </Text>
          <Code block mt={4}>
            {yaml}
          </Code>
          <Group justify="flex-end" mt={4}>
            <CopyButton value={yaml}>
              {({ copied, copy }) => (
                <Button size="xs" variant="default" onClick={copy}>
                  {copied ? 'Copied' : 'Copy'}
                </Button>
              )}
            </CopyButton>
          </Group>
        </Collapse>
      </div>
      <Button
        size="xs"
        variant="default"
        aria-expanded={opened}
        aria-label={`How to copy it: ${name}`}
        onClick={toggle}
      >
        How to copy it
      </Button>
    </Row>
  );
}
