import { Group, Text } from '@mantine/core';
import { useAnswer } from '../api/use-answer.ts';
import { Card, Section } from './card.tsx';
import { lengthOf } from './length.ts';
import classes from './uptime.module.css';

const TIMES = [
  ['day', '24 h'],
  ['week', '7 days'],
  ['month', '30 days'],
  ['quarter', '90 days'],
] as const;
const [WIDTH, GAP, HEIGHT] = [8, 2, 28];

/** How much a service was there, in figures and day by day. */
export function UptimeSection({ service }: { readonly service: string }) {
  const found = useAnswer('/api/v1/uptime', { query: { service, days: 90 } }).data?.items[0];
  if (!found || TIMES.every(([member]) => found[member] === undefined)) return undefined;
  const broken = found.days.filter(({ downSeconds }) => downSeconds > 0).length;
  return (
    <Section title="Up">
      <Card>
        <div className={classes.uptime}>
          <svg
            viewBox={`0 0 ${found.days.length * (WIDTH + GAP) - GAP} ${HEIGHT}`}
            preserveAspectRatio="none"
            role="img"
            aria-label={`${found.days.length} days, ${broken} of them with an outage`}
          >
            {found.days.map(({ day, percent, downSeconds }, index) => (
              <rect key={day} x={index * (WIDTH + GAP)} width={WIDTH} height={HEIGHT} data-look={lookOf(percent)}>
                <title>{`${day}: ${percent === undefined ? 'not known' : shown(percent)}${downSeconds > 0 ? `, ${lengthOf(downSeconds * 1_000)} down` : ''}`}</title>
              </rect>
            ))}
          </svg>
          <Group gap="lg" mt="xs">
            {TIMES.map(([member, said]) => {
              const percent = found[member];
              return (
                percent !== undefined && (
                  <Text key={member} size="sm">
                    <Text span size="sm" c="dimmed">
                      {said}
                    </Text>{' '}
                    {shown(percent)}
                  </Text>
                )
              );
            })}
          </Group>
        </div>
      </Card>
    </Section>
  );
}

function lookOf(percent: number | undefined): string {
  if (percent === undefined) return 'none';
  if (percent === 100) return 'good';
  return percent >= 99 ? 'warn' : 'bad';
}

/** Cut and not rounded, so that what was missed is never made to look whole. */
function shown(percent: number): string {
  return `${percent === 100 ? '100' : (Math.floor(percent * 100) / 100).toFixed(2)} %`;
}
