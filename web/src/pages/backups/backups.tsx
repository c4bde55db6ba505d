import { Table, Text } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import type { Answer } from '../../api/client.ts';
import { useAnswer } from '../../api/use-answer.ts';
import { Ago } from '../../parts/ago.tsx';
import { Answered } from '../../parts/answered.tsx';
import { Card } from '../../parts/card.tsx';
import { lengthOf, sizeOf } from '../../parts/length.ts';
import { Page } from '../../parts/page.tsx';
import { PlanLink } from '../../parts/plan-link.tsx';
import { State } from '../../parts/state.tsx';
import { useSession } from '../../session/session.tsx';
import { Sandboxes } from './sandboxes.tsx';
import { Uncovered } from './uncovered.tsx';

type Safety = Answer<'/api/v1/backups'>;

/** Could everything be restored, and what would be lost? */
export function Backups() {
  const { may } = useSession();
  const backups = useAnswer('/api/v1/backups');
  return (
    <Page
      title="Backups"
      about={backups.data && sentenceOf(backups.data)}
      actions={
        may('operate') && (
          <>
            <PlanLink automation="verify-backups" input={{}}>
              Verify now
            </PlanLink>
            <PlanLink automation="backup" input={{}} primary>
              Back up now
            </PlanLink>
          </>
        )
      }
    >
      <Answered answer={backups} lines={6}>
        {({ items }) =>
          items.length === 0 ? <Text c="dimmed">No source is configured.</Text> : <SafetyTable items={items} />
        }
      </Answered>
      <Sandboxes />
      <Uncovered />
    </Page>
  );
}

function sentenceOf({ items, successRate }: Safety): string {
  const unproven = items.filter(({ proven, state }) => !proven && state !== 'partly');
  const partly = items.filter(({ state }) => state === 'partly');
  const namesOf = (those: Safety['items']): string => [...new Set(those.map(({ source }) => source))].join(', ');
  const share = successRate === undefined ? '' : ` ${successRate} % of the attempts of thirty days made a copy.`;
  if (items.length === 0) return 'Nothing is backed up.';
  if (unproven.length === 0 && partly.length > 0)
    return `The newest copy of everything was restored and compared, but for some of ${namesOf(partly)}.${share}`;
  if (unproven.length === 0) return `The newest copy of everything was restored, counted and compared.${share}`;
  return `Not proven to be restorable: ${namesOf(unproven)}.${share}`;
}

function SafetyTable({ items }: { readonly items: Safety['items'] }) {
  return (
    <Card>
      <Table.ScrollContainer minWidth={860}>
        <Table highlightOnHover verticalSpacing="xs">
          <Table.Thead>
            <Table.Tr>
              <Table.Th>Source</Table.Th>
              <Table.Th>Kept in</Table.Th>
              <Table.Th>State</Table.Th>
              <Table.Th>Last copy</Table.Th>
              <Table.Th>Last proof</Table.Th>
              <Table.Th ta="right">Would be lost</Table.Th>
              <Table.Th ta="right">Restore takes</Table.Th>
              <Table.Th ta="right">Succeeded</Table.Th>
              <Table.Th ta="right">Copies</Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {items.map((item) => (
              <Table.Tr key={`${item.source} ${item.repository}`}>
                <Table.Th scope="row">
                  <Link to="/backups/$source" params={{ source: item.source }} className="quiet-link">
                    {item.source}
                  </Link>
                  <Text size="sm" c="dimmed">
                    {item.kind}
                  </Text>
                </Table.Th>
                <Table.Td>{item.repository}</Table.Td>
                <Table.Td maw="18rem">
                  <State word={item.state} />
                  <Text size="sm" c="dimmed">
                    {item.message}
                  </Text>
                </Table.Td>
                <Table.Td>{item.lastCopyAt === undefined ? 'never' : <Ago at={item.lastCopyAt} />}</Table.Td>
                <Table.Td>{item.lastProvenAt === undefined ? 'never' : <Ago at={item.lastProvenAt} />}</Table.Td>
                <Table.Td ta="right">
                  {item.rpoSeconds === undefined ? 'everything' : lengthOf(item.rpoSeconds * 1_000)}
                </Table.Td>
                <Table.Td ta="right">
                  {item.rtoSeconds === undefined ? 'not known' : lengthOf(item.rtoSeconds * 1_000)}
                </Table.Td>
                <Table.Td ta="right">{item.successRate === undefined ? '–' : `${item.successRate} %`}</Table.Td>
                <Table.Td ta="right">
                  {item.copies}
                  {item.bytes !== undefined && (
                    <Text size="sm" c="dimmed">
                      {sizeOf(item.bytes)}
                    </Text>
                  )}
                </Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </Table.ScrollContainer>
    </Card>
  );
}
