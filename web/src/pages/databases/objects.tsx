import { Button, Table } from '@mantine/core';
import { useState } from 'react';
import type { Answer } from '../../api/client.ts';
import { Ago } from '../../parts/ago.tsx';
import { Card, Section } from '../../parts/card.tsx';
import { sizeOf } from '../../parts/length.ts';

type Known = Answer<'/api/v1/database-get'>;

/** The largest come first, and are all that most people look for. */
const AT_FIRST = 15;

const bytesOf = (bytes: number | undefined, measured: boolean): string =>
  bytes === undefined ? '–' : `${measured ? '' : 'about '}${sizeOf(bytes)}`;

export function Tables({ tables }: { readonly tables: Known['tables'] }) {
  const [all, setAll] = useState(false);
  if (tables.length === 0) return undefined;
  return (
    <Section title="Largest tables" count={tables.length}>
      <Card>
        <Table.ScrollContainer minWidth={640}>
          <Table verticalSpacing={4}>
            <Table.Thead>
              <Table.Tr>
                <Table.Th>Table</Table.Th>
                <Table.Th ta="right">Size</Table.Th>
                <Table.Th ta="right">Rows</Table.Th>
                <Table.Th ta="right">Dead</Table.Th>
                <Table.Th ta="right">Would come back</Table.Th>
                <Table.Th>Analyzed</Table.Th>
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {tables.slice(0, all ? undefined : AT_FIRST).map((table) => (
                <Table.Tr key={`${table.database} ${table.name}`}>
                  <Table.Th scope="row">
                    {table.database} {table.name}
                  </Table.Th>
                  <Table.Td ta="right">{sizeOf(table.bytes)}</Table.Td>
                  <Table.Td ta="right">{table.rows.toLocaleString()}</Table.Td>
                  <Table.Td ta="right">{table.deadRows?.toLocaleString() ?? '–'}</Table.Td>
                  <Table.Td ta="right">{bytesOf(table.reclaimableBytes, table.measured)}</Table.Td>
                  <Table.Td>{typeof table.analyzedAt !== 'string' ? 'never' : <Ago at={table.analyzedAt} />}</Table.Td>
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        </Table.ScrollContainer>
      </Card>
      {!all && tables.length > AT_FIRST && (
        <Button variant="default" mt="xs" onClick={() => setAll(true)}>
          All {tables.length} tables
        </Button>
      )}
    </Section>
  );
}

export function Indexes({ indexes }: { readonly indexes: Known['indexes'] }) {
  const [all, setAll] = useState(false);
  if (indexes.length === 0) return undefined;
  return (
    <Section title="Largest indexes" count={indexes.length}>
      <Card>
        <Table.ScrollContainer minWidth={640}>
          <Table verticalSpacing={4}>
            <Table.Thead>
              <Table.Tr>
                <Table.Th>Index</Table.Th>
                <Table.Th>On</Table.Th>
                <Table.Th ta="right">Size</Table.Th>
                <Table.Th ta="right">Used</Table.Th>
                <Table.Th ta="right">Would come back</Table.Th>
                <Table.Th>Remarks</Table.Th>
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {indexes.slice(0, all ? undefined : AT_FIRST).map((index) => (
                <Table.Tr key={`${index.database} ${index.table} ${index.name}`}>
                  <Table.Th scope="row">{index.name}</Table.Th>
                  <Table.Td>
                    {index.table} {index.columns && `(${index.columns.join(', ')})`}
                  </Table.Td>
                  <Table.Td ta="right">{sizeOf(index.bytes)}</Table.Td>
                  <Table.Td ta="right">
                    {index.scans === undefined ? '–' : `${index.scans.toLocaleString()} times`}
                  </Table.Td>
                  <Table.Td ta="right">{bytesOf(index.reclaimableBytes, index.measured)}</Table.Td>
                  <Table.Td>
                    {[
                      index.unique && 'unique',
                      index.constraint && 'a constraint needs it',
                      !index.valid && 'broken',
                      index.duplicateOf !== undefined && `${index.duplicateOf} serves the same`,
                    ]
                      .filter(Boolean)
                      .join(', ')}
                  </Table.Td>
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        </Table.ScrollContainer>
      </Card>
      {!all && indexes.length > AT_FIRST && (
        <Button variant="default" mt="xs" onClick={() => setAll(true)}>
          All {indexes.length} indexes
        </Button>
      )}
    </Section>
  );
}
