import { SegmentedControl, Text } from '@mantine/core';
import { useNavigate, useSearch } from '@tanstack/react-router';
import type { UseInfiniteQueryResult } from '@tanstack/react-query';
import { usePages } from '../../api/use-pages.ts';
import { Answered } from '../../parts/answered.tsx';
import { Card } from '../../parts/card.tsx';
import { Earlier } from '../../parts/earlier.tsx';
import { Page } from '../../parts/page.tsx';
import { useSession } from '../../session/session.tsx';
import { Chain } from './chain.tsx';
import { Export } from './export.tsx';
import { Filters } from './filters.tsx';
import { RecordRow, type Recorded } from './record-row.tsx';
import { askedOf } from './search.ts';

const PAGE = 50;

/** Who did what, when and from where? */
export function Audit() {
  const search = useSearch({ from: '/audit' });
  const navigate = useNavigate({ from: '/audit' });
  const { may } = useSession();
  const onlySecurity = search.only === 'security';
  const query = { ...askedOf(search), limit: PAGE };
  const all = usePages('/api/v1/audit-logs', { query }, { when: !onlySecurity, still: true });
  const security = usePages('/api/v1/audit-security-events', { query }, { when: onlySecurity, still: true });
  return (
    <Page
      title="Audit"
      about="Who did what, when and from where? Nothing can be changed in it without being seen."
      actions={
        may('audit') && (
          <>
            <SegmentedControl
              size="xs"
              aria-label="Which records"
              value={onlySecurity ? 'security' : 'all'}
              data={[
                { value: 'all', label: 'Everything' },
                { value: 'security', label: 'Security events' },
              ]}
              onChange={(which) => {
                const { only: _only, ...rest } = search;
                void navigate({ search: which === 'security' ? { ...rest, only: 'security' } : rest });
              }}
            />
            <Export since={search.since} until={search.until} />
          </>
        )
      }
    >
      {may('audit') && (
        <>
          <Chain />
          <Filters search={search} />
        </>
      )}
      <Records records={onlySecurity ? security : all} />
    </Page>
  );
}

interface RecordsProps {
  readonly records: UseInfiniteQueryResult<readonly Recorded[]>;
  readonly none?: string;
}

export function Records({ records, none = 'No record is like that.' }: RecordsProps) {
  return (
    <Answered answer={records} lines={8}>
      {(items) => (
        <>
          {items.length === 0 && <Text c="dimmed">{none}</Text>}
          <Card>
            {items.map((record) => (
              <RecordRow key={`${record.chain} ${record.seq}`} record={record} />
            ))}
          </Card>
          <Earlier pages={records} />
        </>
      )}
    </Answered>
  );
}
