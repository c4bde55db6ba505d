import { SegmentedControl, Select } from '@mantine/core';
import { useNavigate, useSearch } from '@tanstack/react-router';
import { useAnswer } from '../../api/use-answer.ts';
import { Page } from '../../parts/page.tsx';
import { Failures } from './failures.tsx';
import { LiveLog } from './live-log.tsx';
import { SearchLogs } from './search-logs.tsx';
import type { LogsSearch } from './search.ts';

const EVERYTHING = '*';

/** What do the services say, now and before? */
export function Logs() {
  const { service, view } = useSearch({ from: '/logs' });
  const navigate = useNavigate({ from: '/logs' });
  const services = useAnswer('/api/v1/services').data ?? [];
  const names = services.filter(({ present }) => present).map(({ name }) => name);
  const known = [...new Set(['steward', ...names, ...(service === undefined ? [] : [service])])];

  function show(next: { service?: string | undefined; view?: string | undefined }): void {
    const chosen = 'service' in next ? next.service : service;
    const way = 'view' in next ? next.view : view;
    const search: LogsSearch = {
      ...(chosen !== undefined && { service: chosen }),
      ...((way === 'search' || way === 'failures') && { view: way }),
    };
    void navigate({ search, replace: true });
  }

  return (
    <Page
      title="Logs"
      about="What do the services of this node say?"
      actions={
        <>
          <Select
            size="xs"
            aria-label="Whose log"
            searchable
            allowDeselect={false}
            data={[
              { value: EVERYTHING, label: 'All of this node' },
              ...known.map((name) => ({ value: name, label: name })),
            ]}
            value={service ?? EVERYTHING}
            onChange={(value) => show({ service: value === null || value === EVERYTHING ? undefined : value })}
          />
          <SegmentedControl
            size="xs"
            aria-label="How to look"
            value={view ?? 'live'}
            data={[
              { value: 'live', label: 'Live' },
              { value: 'search', label: 'Search' },
              { value: 'failures', label: 'Failures' },
            ]}
            onChange={(value) => show({ view: value })}
          />
        </>
      }
    >
      {view === undefined && <LiveLog key={service ?? EVERYTHING} topic={`logs:${service ?? EVERYTHING}`} />}
      {view === 'search' && <SearchLogs service={service} />}
      {view === 'failures' && <Failures service={service} />}
    </Page>
  );
}
