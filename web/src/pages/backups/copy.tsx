import { Text } from '@mantine/core';
import { Link, useParams } from '@tanstack/react-router';
import { useAnswer } from '../../api/use-answer.ts';
import { Ago } from '../../parts/ago.tsx';
import { Answered } from '../../parts/answered.tsx';
import { Card, Row, Section } from '../../parts/card.tsx';
import { sizeOf, tookOf } from '../../parts/length.ts';
import { Page } from '../../parts/page.tsx';
import { PlanLink } from '../../parts/plan-link.tsx';
import { State } from '../../parts/state.tsx';
import { useSession } from '../../session/session.tsx';
import { Browse } from './browse.tsx';
import { standingOf } from './copy-row.tsx';

/** Is this copy good, and what is in it? */
export function Copy() {
  const { source, copy: id } = useParams({ from: '/backups/$source/$copy' });
  const { may } = useSession();
  const answer = useAnswer('/api/v1/backup-get', { query: { id } });
  return (
    <Answered answer={answer}>
      {(copy) => (
        <Page
          title={`${copy.source}, ${new Date(copy.snapshotAt ?? copy.startedAt).toLocaleString()}`}
          about={
            <>
              <State word={standingOf(copy)} /> A copy of{' '}
              <Link to="/backups/$source" params={{ source }}>
                {source}
              </Link>{' '}
              in {copy.repository}
            </>
          }
          actions={
            may('operate') &&
            copy.status === 'complete' && (
              <>
                <PlanLink automation="restore-backup" input={{ source, copy: id }} danger>
                  Restore over the original…
                </PlanLink>
                <PlanLink automation="extract-backup" input={{ source, copy: id }}>
                  Restore beside it…
                </PlanLink>
                <PlanLink automation="open-sandbox" input={{ source, copy: id }}>
                  Restore to a sandbox…
                </PlanLink>
                <PlanLink automation="verify-backups" input={{ copy: id }}>
                  Verify now
                </PlanLink>
              </>
            )
          }
        >
          {[copy.error, copy.fault, copy.obstacle].map((why) => why !== undefined && <Text key={why}>{why}</Text>)}
          <dl className="facts">
            <dt>Copy</dt>
            <dd>
              <code>{copy.id}</code>
            </dd>
            <dt>Made</dt>
            <dd>
              <Ago at={copy.startedAt} /> by{' '}
              <Link to="/runs/$id" params={{ id: copy.runId }}>
                a run
              </Link>
            </dd>
            <dt>Proven</dt>
            <dd>{copy.provenAt === undefined ? 'never' : <Ago at={copy.provenAt} />}</dd>
            <dt>Read again</dt>
            <dd>{copy.checkedAt === undefined ? 'never' : <Ago at={copy.checkedAt} />}</dd>
            <dt>Size</dt>
            <dd>
              {copy.bytes === undefined ? '–' : sizeOf(copy.bytes)}
              {copy.storedBytes !== undefined && `, ${sizeOf(copy.storedBytes)} stored`}
            </dd>
            <dt>Where</dt>
            <dd>{copy.location ?? '–'}</dd>
          </dl>
          <Section title="What each look found" count={copy.looks.length}>
            <Card>
              {copy.looks.length === 0 && (
                <Row>
                  <Text c="dimmed">Nobody has looked at it yet.</Text>
                </Row>
              )}
              {copy.looks.map(({ layer, ok, statement, durationMs, at }) => (
                <Row key={`${layer} ${at} ${statement}`}>
                  <strong>{layer}</strong>
                  <State word={ok ? 'sound' : 'unsound'} tone={ok ? 'good' : 'bad'} />
                  <span className="grow">{statement}</span>
                  <Text size="sm" c="dimmed">
                    {tookOf(durationMs)}, <Ago at={at} />
                  </Text>
                </Row>
              ))}
            </Card>
          </Section>
          {copy.leftOut.length > 0 && (
            <Section title="Left out" count={copy.leftOut.length}>
              <Card>
                {copy.leftOut.map(({ what, why }) => (
                  <Row key={what}>
                    <code>{what}</code>
                    <Text size="sm" c="dimmed">
                      {why}
                    </Text>
                  </Row>
                ))}
              </Card>
            </Section>
          )}
          {copy.status === 'complete' && <Browse id={id} source={source} />}
        </Page>
      )}
    </Answered>
  );
}
