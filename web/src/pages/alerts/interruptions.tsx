import { Table, Text } from '@mantine/core';
import type { Answer } from '../../api/client.ts';
import { useAnswer } from '../../api/use-answer.ts';
import { Answered } from '../../parts/answered.tsx';
import { Card, Row, Section } from '../../parts/card.tsx';
import { Page } from '../../parts/page.tsx';
import { State } from '../../parts/state.tsx';
import { Proposals } from './proposals.tsx';

type Budget = Answer<'/api/v1/alert-budget'>;

/** How often is who called, and is it worth it? */
export function Interruptions() {
  const budget = useAnswer('/api/v1/alert-budget');
  return (
    <Page title="Interruptions" about={budget.data && sentence(budget.data)}>
      <Answered answer={budget}>
        {(known) => (
          <>
            <Section title="Who was called">
              {known.channels.length === 0 ? (
                <Text c="dimmed">Nobody, in the last 30 days.</Text>
              ) : (
                <Card>
                  {known.channels.map((channel) => (
                    <Called key={channel.channel} channel={channel} most={known.perWeek} />
                  ))}
                </Card>
              )}
            </Section>
            <Proposals />
            <Rules rules={known.rules} floor={known.floor} />
          </>
        )}
      </Answered>
    </Page>
  );
}

function sentence({ channels, perWeek }: Budget): string {
  const over = channels.filter(({ overBudget }) => overBudget).map(({ channel }) => channel);
  const budget = `${perWeek} ${perWeek === 1 ? 'page' : 'pages'} in the last seven days`;
  return over.length === 0 ? `No channel brought more than ${budget}.` : `More than ${budget}: ${over.join(', ')}.`;
}

function Called({
  channel: { channel, pages, perWeek, lastWeek, overBudget },
  most,
}: {
  readonly channel: Budget['channels'][number];
  readonly most: number;
}) {
  return (
    <Row>
      <strong>{channel}</strong>
      <State word={overBudget ? 'over budget' : 'within budget'} tone={overBudget ? 'warn' : 'good'} />
      <span className="grow">
        {lastWeek} of {most} in the last seven days
      </span>
      <Text size="sm" c="dimmed">
        {pages} in 30 days, {perWeek} a week on average, for each who reads it
      </Text>
    </Row>
  );
}

function Rules({ rules, floor }: Pick<Budget, 'rules' | 'floor'>) {
  return (
    <Section title="What people were called for, and did about it" count={rules.length > 0 ? rules.length : undefined}>
      {rules.length === 0 ? (
        <Text c="dimmed">Nothing was told in the last 30 days.</Text>
      ) : (
        <Card>
          <Table.ScrollContainer minWidth={640}>
            <Table verticalSpacing={4}>
              <Table.Thead>
                <Table.Tr>
                  <Table.Th>What was told</Table.Th>
                  <Table.Th ta="right">Pages</Table.Th>
                  <Table.Th ta="right">Acted on</Table.Th>
                  <Table.Th ta="right">Ignored</Table.Th>
                  <Table.Th ta="right">Not known yet</Table.Th>
                  <Table.Th ta="right">Precision</Table.Th>
                </Table.Tr>
              </Table.Thead>
              <Table.Tbody>
                {rules.map(({ rule, severity, pages, acted, ignored, waiting, precision, underFloor }) => (
                  <Table.Tr key={rule}>
                    <Table.Th scope="row" fw={450}>
                      {rule} {severity === 'critical' && <State word="critical" />}
                    </Table.Th>
                    <Table.Td ta="right">{pages}</Table.Td>
                    <Table.Td ta="right">{acted}</Table.Td>
                    <Table.Td ta="right">{ignored}</Table.Td>
                    <Table.Td ta="right">{waiting}</Table.Td>
                    <Table.Td ta="right">
                      {precision === undefined ? '–' : percent(precision)}
                      {underFloor && ` (under ${percent(floor)})`}
                    </Table.Td>
                  </Table.Tr>
                ))}
              </Table.Tbody>
            </Table>
          </Table.ScrollContainer>
        </Card>
      )}
      <Text size="sm" c="dimmed" mt="xs">
        Acted on: a person acknowledged it, wrote on it, closed it or let something run on its service until an hour
        after its end.
      </Text>
    </Section>
  );
}

const percent = (share: number): string => `${Math.round(100 * share)} %`;
