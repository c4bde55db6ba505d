import { Alert, Code, Text } from '@mantine/core';
import { Link, useParams } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import type { Answer } from '../../api/client.ts';
import { useAnswer } from '../../api/use-answer.ts';
import { Ago, Until } from '../../parts/ago.tsx';
import { Answered } from '../../parts/answered.tsx';
import { Card, Row, Section } from '../../parts/card.tsx';
import { lengthOf, signedSizeOf, sizeOf, tookOf } from '../../parts/length.ts';
import { Page } from '../../parts/page.tsx';
import { PlanLink } from '../../parts/plan-link.tsx';
import { useSession } from '../../session/session.tsx';
import { Advice } from './advice.tsx';
import { Indexes, Tables } from './objects.tsx';

type Known = Answer<'/api/v1/database-get'>;

/** One database server as it was seen last. */
export function Database() {
  const { source } = useParams({ from: '/databases/$source' });
  const { may } = useSession();
  const answer = useAnswer('/api/v1/database-get', { query: { source } });
  const advice = useAnswer('/api/v1/database-advice', { query: { source } }).data?.items ?? [];
  return (
    <Page
      title={source}
      about={<Link to="/databases">Databases</Link>}
      actions={
        may('operate') && (
          <PlanLink automation="maintain-database" input={{ sources: [source] }} primary>
            Maintain now
          </PlanLink>
        )
      }
    >
      <Answered answer={answer} lines={8}>
        {(known) => (
          <>
            {known.problem !== undefined && (
              <Alert color="red" title="It was not seen this time">
                {known.problem}
              </Alert>
            )}
            <Facts known={known} />
            {advice.length > 0 && (
              <Section title="Advice" count={advice.length}>
                <Advice items={advice} />
              </Section>
            )}
            {known.slow.length > 0 && (
              <Section title="Slow statements" count={known.slow.length}>
                <Card>
                  {known.slow.map(({ database, statement, calls, meanMs, totalMs }) => (
                    <Row key={`${database} ${statement}`}>
                      <Code block className="grow">
                        {statement}
                      </Code>
                      <Text size="sm" c="dimmed">
                        {database}: {calls} calls, {tookOf(meanMs)} each, {tookOf(totalMs)} in all
                      </Text>
                    </Row>
                  ))}
                </Card>
              </Section>
            )}
            <Tables tables={known.tables} />
            <Indexes indexes={known.indexes} />
            <Done done={known.done} />
            <Blind blind={known.blind} />
          </>
        )}
      </Answered>
    </Page>
  );
}

function Facts({ known }: { readonly known: Known }) {
  const { longestTransactionSeconds: longest, wraparoundPercent: wraparound, cacheHitPercent: cache } = known;
  return (
    <dl className="facts">
      <Fact name="What it is">{[known.kind, known.version].filter(Boolean).join(' ')}</Fact>
      <Fact name="Size">{known.bytes !== undefined && sizeOf(known.bytes)}</Fact>
      <Fact name="Grows">{known.growthPerDay !== undefined && `${signedSizeOf(known.growthPerDay)} a day`}</Fact>
      <Fact name="Connections">{known.connections}</Fact>
      <Fact name="Longest transaction">{longest !== undefined && lengthOf(longest * 1_000)}</Fact>
      <Fact name="Way to the wraparound">{wraparound !== undefined && `${wraparound} %`}</Fact>
      <Fact name="Read from cache">{cache !== undefined && `${cache} %`}</Fact>
      <Fact name="Databases">{known.databases.map(({ name, bytes }) => `${name} (${sizeOf(bytes)})`).join(', ')}</Fact>
      <Fact name="Replicas">{known.replicas.map(replicaOf).join(', ')}</Fact>
      <Fact name="Next window">{known.nextWindowAt !== undefined && <Until at={known.nextWindowAt} />}</Fact>
      <Fact name="Seen">{known.seenAt === undefined ? known.message : <Ago at={known.seenAt} />}</Fact>
    </dl>
  );
}

/** Nothing where it is not known. */
function Fact({ name, children }: { readonly name: string; readonly children: ReactNode }) {
  if (children === undefined || children === false || children === '') return undefined;
  return (
    <>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </>
  );
}

function replicaOf({ name, lagSeconds, lagBytes }: Known['replicas'][number]): string {
  if (lagSeconds !== null) return `${name} (${lengthOf(lagSeconds * 1_000)} behind)`;
  return lagBytes === null ? name : `${name} (${sizeOf(lagBytes)} behind)`;
}

function Done({ done }: { readonly done: Known['done'] }) {
  if (done.length === 0) return undefined;
  return (
    <Section title="What was done to it" count={done.length}>
      <Card>
        {done.map(({ kind, database, object, at, durationMs, runId }) => (
          <Row key={`${kind} ${database} ${object ?? ''} ${at}`}>
            <Link to="/runs/$id" params={{ id: runId }} className="quiet-link">
              {kind}
            </Link>
            <span className="grow">{[database, object].filter(Boolean).join(', ')}</span>
            <Text size="sm" c="dimmed">
              {tookOf(durationMs)}, <Ago at={at} />
            </Text>
          </Row>
        ))}
      </Card>
    </Section>
  );
}

function Blind({ blind }: { readonly blind: Known['blind'] }) {
  if (blind.length === 0) return undefined;
  return (
    <Section title="What Steward cannot see" count={blind.length}>
      <Card>
        {blind.map(({ what, hint }) => (
          <Row key={what}>
            <div className="grow">
              {what}
              <Text size="sm" c="dimmed">
                {hint}
              </Text>
            </div>
          </Row>
        ))}
      </Card>
    </Section>
  );
}
