import { SimpleGrid, Text } from '@mantine/core';
import type { Answer } from '../../api/client.ts';
import { useAnswer } from '../../api/use-answer.ts';
import { Answered } from '../answered.tsx';
import { MetricChart } from './metric-chart.tsx';

type MetricName = Answer<'/api/v1/metrics'>['items'][number]['name'];

/** What is worth a chart on the page of a service, the most telling first. */
const CHARTS: readonly (readonly [name: MetricName, title: string])[] = [
  ['steward_check_latency_seconds', 'How long its answers took'],
  ['steward_service_cpu_seconds_total', 'Share of a core that it used'],
  ['steward_service_memory_bytes', 'Memory that it held'],
  ['steward_model_server_answer_seconds', 'How long its models took'],
  ['steward_database_connections', 'Connections'],
  ['steward_database_operations_total', 'Transactions or commands, a second'],
  ['steward_database_cache_hit_ratio', 'Share of reads that memory answered'],
  ['steward_database_bytes', 'Size of its data'],
  ['steward_database_replication_lag_seconds', 'How far replicas are behind'],
];

/** Charts of what is kept of a service: which ones depends on what it is. */
export function ServiceCharts({ service, last }: { readonly service: string; readonly last: string }) {
  const kept = useAnswer('/api/v1/metrics', { query: { service, limit: 200 } });
  return (
    <Answered answer={kept} lines={4}>
      {({ items }) => {
        const names = new Set(items.map(({ name }) => name));
        const shown = CHARTS.filter(([name]) => names.has(name));
        return shown.length === 0 ? (
          <Text c="dimmed" size="sm">
            Nothing is measured of it yet: it takes a minute after it was found, and a process that Steward may see.
          </Text>
        ) : (
          <SimpleGrid cols={{ base: 1, md: 2 }} spacing="xl" verticalSpacing="md">
            {shown.map(([name, title]) => (
              <MetricChart key={name} title={title} asked={{ name, service, last }} />
            ))}
          </SimpleGrid>
        );
      }}
    </Answered>
  );
}
