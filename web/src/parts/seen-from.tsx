import { Table, Text } from '@mantine/core';
import type { Answer } from '../api/client.ts';
import { useAnswer } from '../api/use-answer.ts';
import { Ago } from './ago.tsx';
import { Card, Row, Section } from './card.tsx';
import type { Point } from './charts/scale.ts';
import { SmallLine } from './charts/small-line.tsx';
import { tookOf } from './length.ts';
import { State } from './state.tsx';

type Verdict = Answer<'/api/v1/place-verdicts'>['items'][number];
type Vote = Verdict['votes'][number];
type Latencies = Pick<Answer<'/api/v1/metric-range'>, 'from' | 'to' | 'series'>;

/** The way that a verdict names, in a word or two. */
const WAYS = {
  dns: 'DNS',
  uplink: 'this uplink',
  host: 'this host',
  region: 'one region',
  unsure: 'not sure',
} as const satisfies Record<NonNullable<Verdict['path']>, string>;

/** What each place says of the checks of a service, and what comes of it. Nothing where only this machine looks. */
export function SeenFrom({ service }: { readonly service: string }) {
  const verdicts = useAnswer('/api/v1/place-verdicts', { query: { service } }, { often: true }).data?.items ?? [];
  const when = verdicts.length > 0;
  const there = useLatencies(service, 'steward_place_latency_seconds', when);
  const here = useLatencies(service, 'steward_check_latency_seconds', when);
  return verdicts.map((verdict) => (
    <Section
      key={verdict.check}
      title={`Seen from ${verdict.votes.length === 1 ? 'one place' : `${verdict.votes.length} places`}`}
      count={verdict.target}
    >
      <Card tone={verdict.state === 'down' ? 'bad' : undefined}>
        <Row>
          <State word={verdict.state} />
          {verdict.path !== undefined && (
            <State word={`it breaks: ${WAYS[verdict.path]}`} tone={verdict.path === 'host' ? 'bad' : 'warn'} />
          )}
          <Text size="sm" className="grow">
            {verdict.sentence ?? 'Nobody who counts fails to reach it.'}
          </Text>
          {verdict.need !== undefined && (
            <Text size="sm" c="dimmed">
              down when {verdict.need} say so
            </Text>
          )}
        </Row>
        <Votes verdict={verdict} here={here} there={there} />
      </Card>
    </Section>
  ));
}

type Latency = 'steward_place_latency_seconds' | 'steward_check_latency_seconds';

const HOUR_MS = 3_600_000;

/** Of a day; of the last hour where nothing is older, as the steps of a day are too long to see that. */
function useLatencies(service: string, name: Latency, when: boolean): Latencies | undefined {
  const query = { service, name };
  const day = useAnswer('/api/v1/metric-range', { query: { ...query, last: '24h' } }, { when }).data;
  const isYoung = day !== undefined && day.series.every(({ points }) => isWithinHour(points[0]?.at, day.to));
  const hour = useAnswer('/api/v1/metric-range', { query: { ...query, last: '1h' } }, { when: when && isYoung }).data;
  return isYoung ? (hour ?? day) : day;
}

const isWithinHour = (at: string | undefined, to: string): boolean =>
  at === undefined || Date.parse(to) - Date.parse(at) < HOUR_MS;

interface VotesProps {
  readonly verdict: Verdict;
  readonly here: Latencies | undefined;
  readonly there: Latencies | undefined;
}

function Votes({ verdict: { check, votes }, here, there }: VotesProps) {
  const of = (vote: Vote): readonly Point[] =>
    ((vote.here ? here : there)?.series ?? []).find(
      ({ labels }) => labels['id'] === check && (vote.here || labels['place'] === vote.place),
    )?.points ?? [];
  // What began an hour ago is not a dot at the end of a day.
  const begun = votes.flatMap((vote) => of(vote)[0]?.at ?? []).toSorted()[0];
  const range = there && { from: begun ?? there.from, to: there.to };
  const most = Math.max(0, ...votes.flatMap((vote) => of(vote).map(({ max }) => max)));
  return (
    <Table.ScrollContainer minWidth={640}>
      <Table verticalSpacing="xs" horizontalSpacing="md">
        <Table.Thead>
          <Table.Tr>
            <Table.Th>Place</Table.Th>
            <Table.Th>Says</Table.Th>
            <Table.Th ta="right">Took</Table.Th>
            <Table.Th>Last 24 hours</Table.Th>
            <Table.Th>Heard</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {votes.map((vote) => {
            const points = of(vote);
            return (
              <Table.Tr key={vote.place}>
                <Table.Th scope="row">
                  {vote.place}
                  {vote.here && (
                    <Text size="sm" c="dimmed">
                      this machine
                    </Text>
                  )}
                </Table.Th>
                <Table.Td maw="22rem">
                  {vote.counts ? <State word={vote.state} /> : <State word="no vote" tone="calm" />}
                  <Text size="sm" c="dimmed">
                    {vote.why ?? vote.message}
                  </Text>
                </Table.Td>
                <Table.Td ta="right">
                  {vote.latencyMs !== undefined && vote.latencyMs > 0 ? tookOf(vote.latencyMs) : '–'}
                </Table.Td>
                <Table.Td>
                  {points.length > 1 && range && (
                    <SmallLine points={points} range={range} most={most} label={`How long ${vote.place} waited`} />
                  )}
                </Table.Td>
                <Table.Td>{vote.at === undefined ? 'never' : <Ago at={vote.at} />}</Table.Td>
              </Table.Tr>
            );
          })}
        </Table.Tbody>
      </Table>
    </Table.ScrollContainer>
  );
}
