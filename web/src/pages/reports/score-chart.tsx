import { Box, Group, Text } from '@mantine/core';
import classes from '../../parts/charts/metric-chart.module.css';
import { pathOf, scaleOf } from '../../parts/charts/scale.ts';

const [WIDTH, HEIGHT] = [600, 120];
/** As many as can be told apart. */
const MOST_LINES = 6;
const WHOLE = 100;

export interface Scored {
  readonly at: string;
  readonly score?: number | undefined;
}

type Score = Scored & { readonly score: number };

/** Scores over time, a line for each name; what has fewer than two says nothing about a direction. */
export function ScoreChart<T extends Scored>({
  title,
  reports,
  nameOf,
}: {
  readonly title: string;
  readonly reports: readonly T[];
  readonly nameOf: (report: T) => string;
}) {
  const lines = [...new Set(reports.map(nameOf))]
    .map((name) => {
      const group = reports.filter((report) => nameOf(report) === name);
      return { name, scores: group.filter(hasScore).toSorted(byTime) };
    })
    .filter(({ scores }) => scores.length > 1)
    .slice(0, MOST_LINES);
  const times = lines.flatMap(({ scores }) => scores.map(({ at }) => at)).toSorted();
  const [from, to] = [times[0], times.at(-1)];
  if (from === undefined || to === undefined) return undefined;
  const scale = scaleOf([[pointOf({ at: from, score: WHOLE })]], { from, to, width: WIDTH, height: HEIGHT });
  const said = lines.map(({ name, scores }) => {
    const all = scores.map(({ score }) => score);
    return { name, last: all.at(-1), least: Math.min(...all), most: Math.max(...all) };
  });
  return (
    <Box component="figure" my="md" className={classes.chart}>
      <figcaption>{title}</figcaption>
      <svg
        viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
        preserveAspectRatio="none"
        role="img"
        aria-label={`${title}: ${said.map(({ name, last, least, most }) => `${name} ${last}, between ${least} and ${most}`).join('; ')}`}
      >
        <path d={`M0 ${HEIGHT}H${WIDTH}M0 0H${WIDTH}`} className={classes.frame} />
        {lines.map(({ name, scores }, index) => (
          <path
            key={name}
            d={pathOf(scores.map(pointOf), Infinity, scale)}
            className={classes.line}
            data-line={index}
          />
        ))}
      </svg>
      <Group gap="md" mt={4}>
        {said.map(({ name, last, least, most }, index) => (
          <Text key={name} size="sm">
            <span className={classes.key} data-line={index} aria-hidden />
            {name} <strong>{last}</strong>{' '}
            <Text span size="sm" c="dimmed">
              {least} to {most}
            </Text>
          </Text>
        ))}
      </Group>
    </Box>
  );
}

const hasScore = <T extends Scored>(report: T): report is T & Score => report.score !== undefined;
const byTime = (one: Scored, other: Scored): number => one.at.localeCompare(other.at);
const pointOf = ({ at, score }: Score) => ({ at, avg: score, min: score, max: score });
