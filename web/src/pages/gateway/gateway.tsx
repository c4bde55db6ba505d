import { Alert, Table, Text } from '@mantine/core';
import type { Answer } from '../../api/client.ts';
import { useAnswer } from '../../api/use-answer.ts';
import { Answered } from '../../parts/answered.tsx';
import { Card, Row, Section } from '../../parts/card.tsx';
import { tookOf } from '../../parts/length.ts';
import { Page } from '../../parts/page.tsx';
import { State } from '../../parts/state.tsx';
import { useSession } from '../../session/session.tsx';
import { Explain } from './explain.tsx';
import { RefusedHere } from './refused.tsx';

type Known = Answer<'/api/v1/gateway'>;

/** What others ask of services here: by which route, how it went, and why not. */
export function Gateway() {
  const { may } = useSession();
  const gateway = useAnswer('/api/v1/gateway', {}, { often: true });
  return (
    <Page title="Gateway" about={gateway.data && sentence(gateway.data)}>
      <Answered answer={gateway}>
        {(known) => (
          <>
            {known.problem !== undefined && (
              <Alert color="red" title="Not served as configured" mb="md">
                {known.problem}
              </Alert>
            )}
            {!known.limitsShared && known.address !== undefined && (
              <Alert color="yellow" title="Limits are kept by this node alone" mb="md">
                The store does not answer: each node lets through its own share until it does.
              </Alert>
            )}
            {known.routes.length === 0 ? (
              <Text c="dimmed" mt="md">
                Nothing is passed on. Name a route and its upstream as <code>gateway</code> in steward.yaml.
              </Text>
            ) : (
              <>
                <Routes known={known} />
                <Upstreams upstreams={known.upstreams} />
                {may('operate') && <RefusedHere routes={known.routes.map(({ name }) => name)} />}
                {may('operate') && <Explain />}
              </>
            )}
          </>
        )}
      </Answered>
    </Page>
  );
}

function sentence({ address, requests, routes, milliseconds }: Known): string {
  if (routes.length === 0 || address === undefined) return 'Between others and the services here.';
  const took = milliseconds.p95 === undefined ? '' : `, 95 % of them within ${tookOf(milliseconds.p95)}`;
  return `At ${address}: ${requests} requests since this node started${took}.`;
}

function Routes({ known: { routes, withoutRoute, refusals } }: { readonly known: Known }) {
  const reasons = Object.entries(refusals).toSorted(([, one], [, other]) => other - one);
  return (
    <>
      <Card>
        <Table.ScrollContainer minWidth={720}>
          <Table verticalSpacing="xs" horizontalSpacing="md">
            <Table.Thead>
              <Table.Tr>
                <Table.Th>Route</Table.Th>
                <Table.Th ta="right">Requests</Table.Th>
                <Table.Th ta="right">Refused</Table.Th>
                <Table.Th ta="right">Failed</Table.Th>
                <Table.Th ta="right">95 % within</Table.Th>
                <Table.Th>To</Table.Th>
                <Table.Th>Who may</Table.Th>
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {routes.map(({ name, host, path, upstream, auth, requests, refused, failed, milliseconds }) => (
                <Table.Tr key={name}>
                  <Table.Th scope="row">
                    {name}
                    <Text size="sm" c="dimmed">
                      {host}
                      {path}
                    </Text>
                  </Table.Th>
                  <Table.Td ta="right">{requests}</Table.Td>
                  <Table.Td ta="right">{refused}</Table.Td>
                  <Table.Td ta="right">{failed}</Table.Td>
                  <Table.Td ta="right">{milliseconds.p95 === undefined ? '–' : tookOf(milliseconds.p95)}</Table.Td>
                  <Table.Td>{upstream}</Table.Td>
                  <Table.Td>{auth.join(', ') || 'everybody'}</Table.Td>
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        </Table.ScrollContainer>
      </Card>
      {reasons.length > 0 && (
        <Text size="sm" c="dimmed" mt="xs">
          Refused by rule: {reasons.map(([rule, count]) => `${rule} ${count}`).join(', ')}.
          {withoutRoute > 0 && ` For no route: ${withoutRoute}.`}
        </Text>
      )}
    </>
  );
}

function Upstreams({ upstreams }: Pick<Known, 'upstreams'>) {
  return (
    <Section title="Upstreams">
      <Card>
        {upstreams.flatMap(({ name: upstream, targets }) =>
          targets.map(({ name, origin, health, breaker, outstanding, failures, lastFailure }) => (
            <Row key={`${upstream} ${name}`}>
              <div className="grow">
                <strong>{upstream}</strong> {name} <State word={health} />{' '}
                {breaker !== 'closed' && <State word={breaker === 'open' ? 'left alone' : 'tried out'} tone="warn" />}
                <Text size="sm" c="dimmed">
                  {[
                    ...(origin === name ? [] : [origin ?? 'not known here']),
                    ...(outstanding > 0 ? [`${outstanding} wait for it`] : []),
                    ...(failures > 0 ? [`failed ${failures} times in a row`] : []),
                  ].join(' · ')}
                </Text>
                {failures > 0 && lastFailure !== undefined && <Text size="sm">{lastFailure}</Text>}
              </div>
            </Row>
          )),
        )}
      </Card>
    </Section>
  );
}
