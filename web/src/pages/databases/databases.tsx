import { Table, Text } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import type { Answer } from '../../api/client.ts';
import { useAnswer } from '../../api/use-answer.ts';
import { Ago } from '../../parts/ago.tsx';
import { Answered } from '../../parts/answered.tsx';
import { Card, Section } from '../../parts/card.tsx';
import { lengthOf, signedSizeOf, sizeOf } from '../../parts/length.ts';
import { Page } from '../../parts/page.tsx';
import { PlanLink } from '../../parts/plan-link.tsx';
import { useSession } from '../../session/session.tsx';
import { Advice } from './advice.tsx';

type Database = Answer<'/api/v1/databases'>['items'][number];

/** How fit is each, and what would help? */
export function Databases() {
  const { may } = useSession();
  const databases = useAnswer('/api/v1/databases');
  const advice = useAnswer('/api/v1/database-advice');
  return (
    <Page
      title="Databases"
      about="How fit is each, how fast does it grow, and what would help?"
      actions={
        may('operate') && (
          <PlanLink automation="maintain-database" input={{}} primary>
            Maintain now
          </PlanLink>
        )
      }
    >
      <Answered answer={databases}>
        {({ items }) =>
          items.length === 0 ? (
            <Text c="dimmed">
              None is looked at. Every database that backups name is: <Link to="/backups">Backups</Link> shows those
              that were found and not named.
            </Text>
          ) : (
            <DatabaseTable items={items} />
          )
        }
      </Answered>
      <Section title="Advice" count={advice.data?.items.length}>
        <Answered answer={advice} lines={2}>
          {({ items }) => <Advice items={items} />}
        </Answered>
      </Section>
    </Page>
  );
}

function DatabaseTable({ items }: { readonly items: readonly Database[] }) {
  return (
    <Card>
      <Table.ScrollContainer minWidth={760}>
        <Table highlightOnHover verticalSpacing="xs">
          <Table.Thead>
            <Table.Tr>
              <Table.Th>Database</Table.Th>
              <Table.Th ta="right">Size</Table.Th>
              <Table.Th ta="right">Growth a day</Table.Th>
              <Table.Th ta="right">Connections</Table.Th>
              <Table.Th>Vacuumed</Table.Th>
              <Table.Th ta="right">Longest transaction</Table.Th>
              <Table.Th ta="right">From cache</Table.Th>
              <Table.Th>Seen</Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {items.map((each) => (
              <Table.Tr key={each.source}>
                <Table.Th scope="row">
                  <Link to="/databases/$source" params={{ source: each.source }} className="quiet-link">
                    {each.source}
                  </Link>
                  <Text size="sm" c="dimmed">
                    {[each.kind, each.version].filter(Boolean).join(' ')}
                  </Text>
                </Table.Th>
                <Table.Td ta="right">{each.bytes === undefined ? '–' : sizeOf(each.bytes)}</Table.Td>
                <Table.Td ta="right">
                  {each.growthPerDay === undefined ? 'not known yet' : signedSizeOf(each.growthPerDay)}
                </Table.Td>
                <Table.Td ta="right">{each.connections ?? '–'}</Table.Td>
                <Table.Td>{each.lastVacuumAt === undefined ? '–' : <Ago at={each.lastVacuumAt} />}</Table.Td>
                <Table.Td ta="right">
                  {each.longestTransactionSeconds === undefined
                    ? '–'
                    : lengthOf(each.longestTransactionSeconds * 1_000)}
                </Table.Td>
                <Table.Td ta="right">{each.cacheHitPercent === undefined ? '–' : `${each.cacheHitPercent} %`}</Table.Td>
                <Table.Td>
                  {each.seenAt === undefined ? each.message : <Ago at={each.seenAt} />}
                  {each.seenAt !== undefined && each.message !== 'seen' && (
                    <Text size="sm" c="dimmed">
                      {each.message}
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
