import { Text } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import { Card, Row } from '../../parts/card.tsx';
import { State } from '../../parts/state.tsx';
import { blastRadius, type Graph, needsOf } from './reach.ts';

interface NodeListProps {
  readonly known: Graph;
  readonly setAround: (id: string | undefined) => void;
}

/** Every service with what it needs and what needs it: the graph in words. */
export function NodeList({ known: { nodes, edges }, setAround }: NodeListProps) {
  const names = new Map(nodes.map(({ id, name }) => [id, name]));
  const say = (ids: ReadonlySet<string>): string => [...ids].flatMap((id) => names.get(id) ?? []).join(', ');
  const told = nodes
    .map((node) => ({ node, affected: blastRadius(node.id, edges), needs: needsOf(node.id, edges) }))
    .toSorted((one, other) => other.affected.size - one.affected.size || one.node.name.localeCompare(other.node.name));
  return (
    <Card>
      {told.map(({ node: { id, name, product, state, critical }, affected, needs }) => (
        <Row key={id}>
          <div className="grow">
            <Link
              to="/services/$id"
              params={{ id }}
              className="quiet-link"
              onFocus={() => setAround(id)}
              onBlur={() => setAround(undefined)}
            >
              {name}
            </Link>{' '}
            <State word={state} /> {critical && <State word="critical" tone="warn" />}
            <Text size="sm" c="dimmed">
              {product}
              {needs.size > 0 && ` · needs ${say(needs)}`}
            </Text>
          </div>
          <Text size="sm" c="dimmed">
            {affected.size === 0 ? 'nothing depends on it' : `affects ${say(affected)}`}
          </Text>
        </Row>
      ))}
    </Card>
  );
}
