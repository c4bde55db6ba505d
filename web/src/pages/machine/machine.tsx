import { SegmentedControl, Stack, Text } from '@mantine/core';
import { useState } from 'react';
import { useAnswer } from '../../api/use-answer.ts';
import { Until } from '../../parts/ago.tsx';
import { Card, Row, Section } from '../../parts/card.tsx';
import { MetricChart } from '../../parts/charts/metric-chart.tsx';
import { sizeOf } from '../../parts/length.ts';
import { Page } from '../../parts/page.tsx';

const TIMES = [
  { value: '1h', label: 'Hour' },
  { value: '24h', label: 'Day' },
  { value: '7d', label: 'Week' },
  { value: '30d', label: 'Month' },
];

/** What of the machine is used, and when is a disk full? */
export function Machine() {
  const [last, setLast] = useState('24h');
  return (
    <Page
      title="Machine"
      about="What of the machine is used, measured four times a minute, and when a disk is full if it goes on like that."
      actions={<SegmentedControl size="xs" aria-label="How far back" value={last} data={TIMES} onChange={setLast} />}
    >
      <Forecast />
      <Section title="The machine">
        <Stack gap="md">
          <MetricChart title="Load, over five minutes" asked={{ name: 'steward_host_load5', last }} />
          <MetricChart
            title="Time of the cores"
            asked={{ name: 'steward_host_cpu_seconds_total', last }}
            keep={({ mode }) => mode !== 'idle'}
          />
          <MetricChart
            title="Memory that programs could still get"
            asked={{ name: 'steward_host_memory_available_bytes', last }}
          />
          <MetricChart title="Free on disks" asked={{ name: 'steward_host_filesystem_free_bytes', last }} />
          <MetricChart
            title="Waiting for a core, memory or a disk"
            asked={{ name: 'steward_host_pressure_seconds_total', last }}
          />
          <MetricChart
            title="Received"
            asked={{ name: 'steward_host_network_received_bytes_total', last }}
            keep={({ interface: name }) => name !== 'lo'}
          />
        </Stack>
      </Section>
      <Section title="Steward itself">
        <Stack gap="md">
          <MetricChart title="Memory" asked={{ name: 'steward_process_resident_memory_bytes', last }} />
          <MetricChart title="Its store" asked={{ name: 'steward_store_bytes', last }} />
        </Stack>
      </Section>
    </Page>
  );
}

function Forecast() {
  const disks = useAnswer('/api/v1/disk-forecast').data?.items ?? [];
  if (disks.length === 0) return undefined;
  return (
    <Section title="Disks" count={disks.length}>
      <Card>
        {disks.map(({ node, mount, freeBytes, message, fullAt }) => (
          <Row key={`${node} ${mount}`}>
            <strong>{mount}</strong>
            <span className="grow">{freeBytes !== undefined && `${sizeOf(freeBytes)} free`}</span>
            <Text size="sm" c="dimmed">
              {fullAt === undefined ? (
                message
              ) : (
                <>
                  full <Until at={fullAt} />
                </>
              )}
            </Text>
          </Row>
        ))}
      </Card>
    </Section>
  );
}
