import { Table } from '@mantine/core';
import type { ReactNode } from 'react';
import { Card, Section } from '../../parts/card.tsx';

interface FiguresTableProps {
  readonly title: string;
  /** The first names what a row is about; the others are figures. */
  readonly columns: readonly string[];
  readonly rows: readonly { readonly key: string; readonly name: ReactNode; readonly figures: readonly ReactNode[] }[];
}

/** Names with figures beside them; nothing where there are none. */
export function FiguresTable({ title, columns: [first, ...columns], rows }: FiguresTableProps) {
  if (rows.length === 0) return undefined;
  return (
    <Section title={title} count={rows.length}>
      <Card>
        <Table.ScrollContainer minWidth={columns.length > 2 ? 560 : 0}>
          <Table verticalSpacing={4}>
            <Table.Thead>
              <Table.Tr>
                <Table.Th>{first}</Table.Th>
                {columns.map((column) => (
                  <Table.Th key={column} ta="right">
                    {column}
                  </Table.Th>
                ))}
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {rows.map(({ key, name, figures }) => (
                <Table.Tr key={key}>
                  <Table.Th scope="row" fw={450}>
                    {name}
                  </Table.Th>
                  {columns.map((column, index) => (
                    <Table.Td key={column} ta="right">
                      {figures[index]}
                    </Table.Td>
                  ))}
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        </Table.ScrollContainer>
      </Card>
    </Section>
  );
}
