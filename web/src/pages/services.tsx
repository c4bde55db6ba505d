import { SegmentedControl, Table, Text, TextInput } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import { memo, useMemo, useState } from 'react';
import type { Answer } from '../api/client.ts';
import { useAnswer } from '../api/use-answer.ts';
import { Ago } from '../parts/ago.tsx';
import { Answered } from '../parts/answered.tsx';
import { Card } from '../parts/card.tsx';
import { tookOf } from '../parts/length.ts';
import { Page } from '../parts/page.tsx';
import { State } from '../parts/state.tsx';

type Service = Answer<'/api/v1/services'>[number];
type Health = Answer<'/api/v1/service-health'>['services'][number];

const ORDER = ['down', 'degraded', 'unknown', 'pending', 'up', 'stopped', 'declared'];
const worstFirst = (one: Service, other: Service): number =>
  ORDER.indexOf(one.state) - ORDER.indexOf(other.state) || one.name.localeCompare(other.name);

export function Services() {
  const services = useAnswer('/api/v1/services');
  const health = useAnswer('/api/v1/service-health').data;
  const [words, setWords] = useState('');
  const [which, setWhich] = useState('all');
  const byId = useMemo(() => new Map(health?.services.map((each) => [each.resourceId, each])), [health]);

  return (
    <Page
      title="Services"
      about={
        health &&
        `${health.stats.healthy} of ${health.stats.total_checks} checks are healthy; health score ${health.score}.`
      }
      actions={
        <>
          <SegmentedControl
            size="xs"
            value={which}
            onChange={setWhich}
            data={[
              { value: 'all', label: 'All' },
              { value: 'troubled', label: 'Troubled' },
            ]}
            aria-label="Which"
          />
          <TextInput
            size="xs"
            type="search"
            placeholder="Name, product, address"
            aria-label="Look for"
            value={words}
            onChange={(event) => setWords(event.currentTarget.value)}
          />
        </>
      }
    >
      <Answered answer={services} lines={8}>
        {(all) => {
          const shown = all
            .filter(({ state }) => which === 'all' || ['down', 'degraded', 'unknown'].includes(state))
            .filter((service) => isMeant(service, words))
            .toSorted(worstFirst);
          return shown.length === 0 ? (
            <Text c="dimmed" mt="md">
              {all.length === 0
                ? 'Nothing has been found yet. The first look around takes a few seconds.'
                : 'No service is like that.'}
            </Text>
          ) : (
            <ServiceTable services={shown} health={byId} />
          );
        }}
      </Answered>
    </Page>
  );
}

function isMeant({ name, product, endpoint = '', node }: Service, words: string): boolean {
  const text = `${name} ${product} ${endpoint} ${node}`.toLowerCase();
  return words
    .toLowerCase()
    .split(/\s+/)
    .every((word) => text.includes(word));
}

function ServiceTable({
  services,
  health,
}: {
  readonly services: readonly Service[];
  readonly health: ReadonlyMap<string, Health>;
}) {
  return (
    <Card>
      <Table.ScrollContainer minWidth={640}>
        <Table highlightOnHover verticalSpacing="xs">
          <Table.Thead>
            <Table.Tr>
              <Table.Th>Service</Table.Th>
              <Table.Th>State</Table.Th>
              <Table.Th>What it is</Table.Th>
              <Table.Th>Where</Table.Th>
              <Table.Th>For</Table.Th>
              <Table.Th ta="right">Up, 24 h</Table.Th>
              <Table.Th ta="right">Latency</Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {services.map((service) => {
              const known = health.get(service.id);
              return (
                <ServiceRow
                  key={service.id}
                  service={service}
                  uptime={known?.uptimePercent}
                  latency={known?.checks.map(({ last }) => last?.latencyMs).find((value) => value !== undefined)}
                />
              );
            })}
          </Table.Tbody>
        </Table>
      </Table.ScrollContainer>
    </Card>
  );
}

interface ServiceRowProps {
  readonly service: Service;
  readonly uptime: number | undefined;
  readonly latency: number | undefined;
}

/** Of hundreds few change at a time. */
const ServiceRow = memo(({ service, uptime, latency }: ServiceRowProps) => (
  <Table.Tr>
    <Table.Th scope="row">
      <Link to="/services/$id" params={{ id: service.id }} className="quiet-link">
        {service.name}
      </Link>
    </Table.Th>
    <Table.Td>
      <State word={service.state} />
    </Table.Td>
    <Table.Td>{[service.product, service.version].filter(Boolean).join(' ')}</Table.Td>
    <Table.Td>{service.endpoint ?? '–'}</Table.Td>
    <Table.Td>{service.since === undefined ? '–' : <Ago at={service.since} bare />}</Table.Td>
    <Table.Td ta="right">{uptime === undefined ? '–' : `${uptime} %`}</Table.Td>
    <Table.Td ta="right">{latency === undefined ? '–' : tookOf(latency)}</Table.Td>
  </Table.Tr>
));
