import { Table, Text } from '@mantine/core';
import { useAnswer } from '../../api/use-answer.ts';
import { Answered } from '../../parts/answered.tsx';
import { Card } from '../../parts/card.tsx';
import { Page } from '../../parts/page.tsx';
import { State } from '../../parts/state.tsx';
import type { Tone } from '../../parts/tone.ts';

const DECISIONS = {
  observe: ['only looks', 'calm'],
  propose: ['waits for a person', 'warn'],
  auto: ['runs by itself', 'good'],
} as const satisfies Record<string, readonly [string, Tone]>;

const saidOf = (value: string | readonly string[] | undefined): string | undefined =>
  typeof value === 'string' ? value : value?.join(' or ');

export function Policy() {
  const policy = useAnswer('/api/v1/policy');
  return (
    <Page
      title="Policy"
      about="What runs by itself, what waits for a person, what only looks? The first row that matches decides."
    >
      <Answered answer={policy} lines={8}>
        {({ items }) => (
          <Card>
            <Table.ScrollContainer minWidth={640}>
              <Table verticalSpacing="xs">
                <Table.Thead>
                  <Table.Tr>
                    <Table.Th>Row</Table.Th>
                    <Table.Th>Where</Table.Th>
                    <Table.Th>Then it</Table.Th>
                    <Table.Th>Why</Table.Th>
                  </Table.Tr>
                </Table.Thead>
                <Table.Tbody>
                  {items.map(({ id, automation, effect, trigger, role, reversible, decision, why }) => {
                    const conditions = Object.entries({
                      automation: saidOf(automation),
                      effect: saidOf(effect),
                      'asked for by': saidOf(trigger),
                      role: saidOf(role),
                      'can be taken back': reversible === undefined ? undefined : reversible ? 'yes' : 'no',
                    }).filter(([, value]) => value !== undefined);
                    const [word, tone] = DECISIONS[decision];
                    return (
                      <Table.Tr key={id}>
                        <Table.Th scope="row">{id}</Table.Th>
                        <Table.Td>
                          {conditions.length === 0
                            ? 'everything else'
                            : conditions.map(([name, value]) => (
                                <Text key={name} size="sm">
                                  <Text span c="dimmed">
                                    {name}
                                  </Text>{' '}
                                  {value}
                                </Text>
                              ))}
                        </Table.Td>
                        <Table.Td>
                          <State word={word} tone={tone} />
                        </Table.Td>
                        <Table.Td>{why}</Table.Td>
                      </Table.Tr>
                    );
                  })}
                </Table.Tbody>
              </Table>
            </Table.ScrollContainer>
          </Card>
        )}
      </Answered>
    </Page>
  );
}
