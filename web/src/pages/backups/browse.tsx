import { Button, Table, Text, TextInput } from '@mantine/core';
import { useState } from 'react';
import { useAnswer } from '../../api/use-answer.ts';
import { Answered } from '../../parts/answered.tsx';
import { Card, Section } from '../../parts/card.tsx';
import { sizeOf } from '../../parts/length.ts';
import { PlanLink } from '../../parts/plan-link.tsx';
import { useSession } from '../../session/session.tsx';

const AT_MOST = 500;

/** What is in a copy: its files, or its parts where it is of a database. */
export function Browse({ id, source }: { readonly id: string; readonly source: string }) {
  const { may } = useSession();
  const [below, setBelow] = useState('');
  const files = useAnswer('/api/v1/backup-browse', {
    query: { id, limit: AT_MOST, ...(below !== '' && { below }) },
  });
  return (
    <Section
      title="What is in it"
      actions={
        <form
          onSubmit={(event) => {
            event.preventDefault();
            setBelow(String(new FormData(event.currentTarget).get('below') ?? '').trim());
          }}
        >
          <TextInput
            key={below}
            name="below"
            size="xs"
            type="search"
            aria-label="Only below this path"
            placeholder="Only below a path, then Enter"
            defaultValue={below}
            maxLength={4096}
            spellCheck={false}
          />
        </form>
      }
    >
      <Answered answer={files}>
        {({ items, truncated }) => (
          <>
            {truncated && (
              <Text size="sm" c="dimmed" mb="xs">
                The first {items.length} only. Name a path to see what is below it.
              </Text>
            )}
            {items.length === 0 && <Text c="dimmed">Nothing is below that path.</Text>}
            <Card>
              <Table.ScrollContainer minWidth={480}>
                <Table verticalSpacing={4}>
                  <Table.Thead>
                    <Table.Tr>
                      <Table.Th>Path</Table.Th>
                      <Table.Th>What it is</Table.Th>
                      <Table.Th ta="right">Size</Table.Th>
                      <Table.Th>
                        <span className="only-heard">Get it</span>
                      </Table.Th>
                    </Table.Tr>
                  </Table.Thead>
                  <Table.Tbody>
                    {items.map(({ path, kind, bytes }) => (
                      <Table.Tr key={path}>
                        <Table.Th scope="row">
                          {kind === 'directory' && path !== below ? (
                            <Button variant="subtle" size="compact-sm" onClick={() => setBelow(path)}>
                              <code>{path}</code>
                            </Button>
                          ) : (
                            <code>{path}</code>
                          )}
                        </Table.Th>
                        <Table.Td>{kind}</Table.Td>
                        <Table.Td ta="right">{kind === 'directory' ? '' : sizeOf(bytes)}</Table.Td>
                        <Table.Td ta="right">
                          {may('operate') && path.startsWith('/') && (
                            <PlanLink
                              automation="extract-backup"
                              input={{ source, copy: id, paths: [path] }}
                              size="compact-xs"
                            >
                              Restore beside…
                            </PlanLink>
                          )}
                        </Table.Td>
                      </Table.Tr>
                    ))}
                  </Table.Tbody>
                </Table>
              </Table.ScrollContainer>
            </Card>
          </>
        )}
      </Answered>
    </Section>
  );
}
