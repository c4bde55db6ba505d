import { Button, NativeSelect, Select, Skeleton, Text } from '@mantine/core';
import { notifications } from '@mantine/notifications';
import { lazy, Suspense, useMemo, useState } from 'react';
import { askText } from '../../api/client.ts';
import { wordsOf } from '../../api/refused.ts';
import { useAnswer } from '../../api/use-answer.ts';
import { Answered } from '../../parts/answered.tsx';
import { Card, Section } from '../../parts/card.tsx';
import { Page } from '../../parts/page.tsx';
import { NodeList } from './list.tsx';
import { blastRadius, type Graph as Known } from './reach.ts';

const Graph = lazy(async () => ({ default: (await import('./graph.tsx')).Graph }));

const DEPTHS = [
  { value: '1', label: 'its neighbours' },
  { value: '2', label: 'two edges away' },
  { value: '3', label: 'three edges away' },
  { value: '50', label: 'all that hangs together' },
];

/** What needs what, and what would be affected if one of them failed. */
export function Topology() {
  const [node, setNode] = useState('');
  const [project, setProject] = useState('');
  const [service, setService] = useState<string | null>(null);
  const [depth, setDepth] = useState('1');
  const [around, setAround] = useState<string>();
  const whole = useAnswer('/api/v1/topology').data;
  const machines = useAnswer('/api/v1/registry-nodes').data?.items ?? [];
  const query = {
    ...(node && { node }),
    ...(project && { project }),
    ...(service !== null && { service, depth: Number(depth) }),
  };
  const topology = useAnswer('/api/v1/topology', { query });
  const projects = [...new Set(whole?.nodes.flatMap((each) => each.project ?? []))].toSorted();

  async function copy(): Promise<void> {
    try {
      await navigator.clipboard.writeText(
        await askText('/api/v1/topology', { query: { ...query, format: 'mermaid' } }),
      );
      notifications.show({ message: 'Copied as Mermaid.', color: 'steward' });
    } catch (thrown) {
      notifications.show({ message: `Not copied. ${wordsOf(thrown)}`, color: 'red' });
    }
  }

  return (
    <Page
      title="Topology"
      about={topology.data && sentence(topology.data)}
      actions={
        <Button size="xs" variant="default" onClick={() => void copy()}>
          Copy as Mermaid
        </Button>
      }
    >
      <div className="filters">
        {machines.length > 1 && (
          <NativeSelect
            size="xs"
            label="Node"
            value={node}
            onChange={(event) => setNode(event.currentTarget.value)}
            data={[{ value: '', label: 'all' }, ...machines.map(({ id, name }) => ({ value: id, label: name }))]}
          />
        )}
        {projects.length > 0 && (
          <NativeSelect
            size="xs"
            label="Project"
            value={project}
            onChange={(event) => setProject(event.currentTarget.value)}
            data={[{ value: '', label: 'all' }, ...projects]}
          />
        )}
        <Select
          size="xs"
          label="Around"
          placeholder="everything"
          searchable
          clearable
          value={service}
          onChange={setService}
          data={(whole?.nodes ?? []).map(({ id, name }) => ({ value: id, label: name }))}
        />
        {service !== null && (
          <NativeSelect
            size="xs"
            label="How far"
            value={depth}
            onChange={(event) => setDepth(event.currentTarget.value)}
            data={DEPTHS}
          />
        )}
      </div>
      <Answered answer={topology} lines={8}>
        {(known) =>
          known.nodes.length === 0 ? (
            <Text c="dimmed" mt="md">
              No service is there.
            </Text>
          ) : (
            <Picture known={known} around={around} setAround={setAround} />
          )
        }
      </Answered>
    </Page>
  );
}

interface PictureProps {
  readonly known: Known;
  /** Whose blast radius is shown. */
  readonly around: string | undefined;
  readonly setAround: (id: string | undefined) => void;
}

function Picture({ known, around, setAround }: PictureProps) {
  const affected = useMemo(
    () => (around === undefined ? undefined : blastRadius(around, known.edges)),
    [around, known.edges],
  );
  const meant = known.nodes.find(({ id }) => id === around);
  return (
    <>
      <Text role="status" mt="sm" mih="1.5rem">
        {meant && affected
          ? affected.size === 0
            ? `If ${meant.name} failed, nothing else would be affected, as far as Steward knows.`
            : `If ${meant.name} failed, ${namesOf(known, affected)} would be affected.`
          : 'Point at a service, or go to it by keyboard, to see what would be affected if it failed.'}
      </Text>
      {known.edges.length > 0 && (
        <Card>
          <Suspense fallback={<Skeleton height="34rem" aria-busy="true" aria-label="Loading" />}>
            <Graph known={known} around={around} affected={affected} setAround={setAround} />
          </Suspense>
        </Card>
      )}
      <Section title="The same as a list" count={known.nodes.length}>
        <NodeList known={known} setAround={setAround} />
      </Section>
    </>
  );
}

const MOST_NAMED = 8;

function namesOf({ nodes }: Known, ids: ReadonlySet<string>): string {
  const names = nodes
    .filter(({ id }) => ids.has(id))
    .map(({ name, critical }) => (critical ? `${name} (critical)` : name));
  return names.length > MOST_NAMED
    ? `${names.slice(0, MOST_NAMED).join(', ')} and ${names.length - MOST_NAMED} more`
    : new Intl.ListFormat('en').format(names);
}

function sentence({ nodes, edges }: Known): string {
  const needs = edges.filter(({ depends }) => depends).length;
  if (nodes.length === 0) return 'No service has been found yet.';
  return edges.length === 0
    ? `${nodes.length === 1 ? 'One service' : `${nodes.length} services`}, and no connection has been seen yet.`
    : `${nodes.length} services; ${needs === 1 ? 'one needs another' : `${needs} times one needs another`}.`;
}
