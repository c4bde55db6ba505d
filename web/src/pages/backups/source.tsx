import { NativeSelect, Text } from '@mantine/core';
import { Link, useParams } from '@tanstack/react-router';
import { useState } from 'react';
import type { Answer } from '../../api/client.ts';
import { useAnswer } from '../../api/use-answer.ts';
import { usePages } from '../../api/use-pages.ts';
import { Ago } from '../../parts/ago.tsx';
import { Answered } from '../../parts/answered.tsx';
import { Card, Row, Section } from '../../parts/card.tsx';
import { Earlier } from '../../parts/earlier.tsx';
import { lengthOf } from '../../parts/length.ts';
import { Page } from '../../parts/page.tsx';
import { PlanLink } from '../../parts/plan-link.tsx';
import { State } from '../../parts/state.tsx';
import { useSession } from '../../session/session.tsx';
import { CopyRow } from './copy-row.tsx';
import { Sandboxes } from './sandboxes.tsx';

type Safety = Answer<'/api/v1/backups'>['items'][number];

/** How safe is this one, and which copies are there? */
export function Source() {
  const { source } = useParams({ from: '/backups/$source' });
  const { may } = useSession();
  const backups = useAnswer('/api/v1/backups');
  const here = backups.data?.items.filter((item) => item.source === source);
  return (
    <Page
      title={source}
      about={
        <>
          <Link to="/backups">Backups</Link>
          {here?.[0] && `, ${here[0].kind}, a copy at most ${lengthOf(here[0].everySeconds * 1_000)} old is meant`}
        </>
      }
      actions={may('operate') && <Actions source={source} />}
    >
      <Answered answer={{ ...backups, data: here }}>
        {(repositories) => (
          <Card>
            {repositories.length === 0 && (
              <Row>
                <Text c="dimmed">No source of that name is configured now. Copies that were made of it are below.</Text>
              </Row>
            )}
            {repositories.map((item) => (
              <Repository key={item.repository} item={item} />
            ))}
          </Card>
        )}
      </Answered>
      <Sandboxes source={source} />
      <History source={source} />
    </Page>
  );
}

function Actions({ source }: { readonly source: string }) {
  return (
    <>
      <PlanLink automation="restore-backup" input={{ source }} danger>
        Restore over the original…
      </PlanLink>
      <PlanLink automation="extract-backup" input={{ source }}>
        Restore beside it…
      </PlanLink>
      <PlanLink automation="open-sandbox" input={{ source }}>
        Restore to a sandbox…
      </PlanLink>
      <PlanLink automation="verify-backups" input={{ sources: [source], restore: 'all' }}>
        Verify now
      </PlanLink>
      <PlanLink automation="backup" input={{ sources: [source] }} primary>
        Back up now
      </PlanLink>
    </>
  );
}

function Repository({ item }: { readonly item: Safety }) {
  const { repository, state, message, lastCopyAt, lastProvenAt, rpoSeconds, rtoSeconds, successRate } = item;
  return (
    <Row>
      <div className="grow">
        <strong>{repository}</strong> <State word={state} />{' '}
        <Text span size="sm" c="dimmed">
          {message}
        </Text>
        <Text size="sm">
          {lastCopyAt === undefined ? (
            'Never copied'
          ) : (
            <>
              Copied <Ago at={lastCopyAt} />
            </>
          )}
          {', '}
          {lastProvenAt === undefined ? (
            'never proven'
          ) : (
            <>
              proven <Ago at={lastProvenAt} />
            </>
          )}
          {'. '}
          {rpoSeconds === undefined
            ? 'Everything would be lost'
            : `What is younger than ${lengthOf(rpoSeconds * 1_000)} would be lost`}
          {rtoSeconds === undefined
            ? '; how long a restore takes is not known.'
            : `; a restore takes ${lengthOf(rtoSeconds * 1_000)}.`}
          {successRate !== undefined && ` ${successRate} % of the attempts succeeded.`}
        </Text>
      </div>
    </Row>
  );
}

const STATUSES = ['complete', 'failed', 'writing', 'removed'] as const;

function History({ source }: { readonly source: string }) {
  const [status, setStatus] = useState<(typeof STATUSES)[number]>();
  const history = usePages('/api/v1/backup-history', {
    query: { source, limit: 50, ...(status !== undefined && { status }) },
  });
  return (
    <Section
      title="Copies"
      actions={
        <NativeSelect
          size="xs"
          aria-label="Which copies"
          data={[{ value: '', label: 'All' }, ...STATUSES]}
          value={status ?? ''}
          onChange={({ currentTarget: { value } }) => setStatus(STATUSES.find((each) => each === value))}
        />
      }
    >
      <Answered answer={history} lines={6}>
        {(copies) => (
          <>
            {copies.length === 0 && <Text c="dimmed">No copy is like that.</Text>}
            <Card>
              {copies.map((copy) => (
                <CopyRow key={copy.id} copy={copy} />
              ))}
            </Card>
            <Earlier pages={history} />
          </>
        )}
      </Answered>
    </Section>
  );
}
