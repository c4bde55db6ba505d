import { Alert, List, Table, Text, TextInput } from '@mantine/core';
import { useState } from 'react';
import { useAnswer } from '../../api/use-answer.ts';
import { Answered } from '../../parts/answered.tsx';
import { Card } from '../../parts/card.tsx';
import { Page } from '../../parts/page.tsx';
import { State } from '../../parts/state.tsx';
import { leavesOf } from './leaves.ts';

const SOURCES = {
  file: 'The file is in force.',
  defaults: 'There is no file: the defaults are in force.',
  'last-good': 'The file is wrong, so the last good one is in force.',
} as const;

export function Configuration() {
  const config = useAnswer('/api/v1/config');
  const [words, setWords] = useState('');
  return (
    <Page
      title="Configuration"
      about="What is in force, and where does it come from? Secrets are not shown."
      actions={
        <TextInput
          size="xs"
          type="search"
          placeholder="Member or value"
          aria-label="Look for"
          value={words}
          onChange={(event) => setWords(event.currentTarget.value)}
        />
      }
    >
      <Answered answer={config} lines={8}>
        {({ file, source, config: values, origins, problems }) => {
          const asked = words.toLowerCase();
          const leaves = leavesOf(values, origins).filter(({ path, value }) =>
            `${path} ${value}`.toLowerCase().includes(asked),
          );
          return (
            <>
              <Text mb="md">
                {SOURCES[source]} <code>{file}</code>
              </Text>
              {problems.length > 0 && (
                <Alert color="red" mb="md" title="What is wrong with the file">
                  <List>
                    {problems.map(({ path, message }) => (
                      <List.Item key={`${path} ${message}`}>
                        <code>{path}</code>: {message}
                      </List.Item>
                    ))}
                  </List>
                </Alert>
              )}
              <Card>
                <Table.ScrollContainer minWidth={560}>
                  <Table verticalSpacing={4}>
                    <Table.Thead>
                      <Table.Tr>
                        <Table.Th>Member</Table.Th>
                        <Table.Th>Value</Table.Th>
                        <Table.Th>From</Table.Th>
                      </Table.Tr>
                    </Table.Thead>
                    <Table.Tbody>
                      {leaves.map(({ path, value, origin }) => (
                        <Table.Tr key={path}>
                          <Table.Th scope="row">
                            <code>{path}</code>
                          </Table.Th>
                          <Table.Td>
                            <code>{value}</code>
                          </Table.Td>
                          <Table.Td>{origin === undefined ? '' : <State word={origin} tone="calm" />}</Table.Td>
                        </Table.Tr>
                      ))}
                    </Table.Tbody>
                  </Table>
                </Table.ScrollContainer>
              </Card>
              {leaves.length === 0 && (
                <Text c="dimmed" mt="md">
                  No member is like that.
                </Text>
              )}
            </>
          );
        }}
      </Answered>
    </Page>
  );
}
