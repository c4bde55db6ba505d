import { Group, Text } from '@mantine/core';
import type { Answer, Asking } from '../../api/client.ts';
import { useAnswer } from '../../api/use-answer.ts';
import { Answered } from '../answered.tsx';
import classes from './metric-chart.module.css';
import { namesOf, pathOf, scaleOf, stepOf, valueOf } from './scale.ts';

const [WIDTH, HEIGHT] = [600, 120];
/** As many as can be told apart. */
const MOST_LINES = 6;

type Range = Answer<'/api/v1/metric-range'>;
type Named = NonNullable<Asking<'/api/v1/metric-range'>['query']>;

interface MetricChartProps {
  readonly title: string;
  readonly asked: Named;
  /** Of the series those that say something; the busiest come first. */
  readonly keep?: (labels: Readonly<Record<string, string>>) => boolean;
}

/** One metric over time: a line for each of its series, with the newest, the least and the most in words. */
export function MetricChart({ title, asked, keep }: MetricChartProps) {
  const range = useAnswer('/api/v1/metric-range', { query: asked });
  return (
    <figure className={classes.chart}>
      <figcaption>{title}</figcaption>
      <Answered answer={range} lines={3}>
        {(known) => {
          const series = known.series
            .filter(({ labels, points }) => points.length > 0 && (keep?.(labels) ?? true))
            .toSorted((a, b) => (b.max ?? 0) - (a.max ?? 0))
            .slice(0, MOST_LINES);
          return series.length === 0 ? (
            <Text size="sm" c="dimmed">
              Nothing was measured in that time.
            </Text>
          ) : (
            <Lines title={title} range={known} series={series} />
          );
        }}
      </Answered>
    </figure>
  );
}

function Lines({
  title,
  range,
  series,
}: {
  readonly title: string;
  readonly range: Range;
  readonly series: Range['series'];
}) {
  const lines = series.map(({ points }) => points);
  const scale = scaleOf(lines, { from: range.from, to: range.to, width: WIDTH, height: HEIGHT });
  const stepMs = stepOf(lines);
  const names = namesOf(series);
  const said = (value: number | undefined): string =>
    value === undefined ? '–' : valueOf(value, range.unit, range.type);
  return (
    <>
      <svg
        viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
        preserveAspectRatio="none"
        role="img"
        aria-label={`${title}: ${series.map(({ last, min, max }, index) => `${names[index] ?? ''} ${said(last)}, between ${said(min)} and ${said(max)}`).join('; ')}`}
      >
        <path d={`M0 ${HEIGHT}H${WIDTH}M0 0H${WIDTH}`} className={classes.frame} />
        {series.map(({ id, points }, index) => (
          <path key={id} d={pathOf(points, stepMs, scale)} className={classes.line} data-line={index} />
        ))}
      </svg>
      <Group gap="md" mt={4}>
        {series.map(({ id, last, min, max }, index) => (
          <Text key={id} size="sm">
            <span className={classes.key} data-line={index} aria-hidden />
            {names[index] !== '' && `${names[index]} `}
            <strong>{said(last)}</strong>{' '}
            <Text span size="sm" c="dimmed">
              {said(min)} to {said(max)}
            </Text>
          </Text>
        ))}
      </Group>
    </>
  );
}
