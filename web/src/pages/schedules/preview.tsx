import { Button, Group, NativeSelect, Text, TextInput } from '@mantine/core';
import { type FormEvent, useState } from 'react';
import type { Asking } from '../../api/client.ts';
import { Refused, wordsOf } from '../../api/refused.ts';
import { useAnswer } from '../../api/use-answer.ts';
import { Answered } from '../../parts/answered.tsx';
import { Card, Row, Section } from '../../parts/card.tsx';
import { lengthOf } from '../../parts/length.ts';
import { HERE } from '../../parts/zone.ts';

const KINDS = [
  { value: 'cron', label: 'Cron' },
  { value: 'onCalendar', label: 'Calendar, as in systemd' },
  { value: 'every', label: 'Every' },
] as const;
type Kind = (typeof KINDS)[number]['value'];

const EXAMPLES: Readonly<Record<Kind, string>> = { cron: '30 2 * * *', onCalendar: 'Mon..Fri 09:00', every: '30m' };

type Asked = NonNullable<Asking<'/api/v1/schedule-preview'>['query']>;

/** When an expression comes and what it would meet, before anybody saves it. */
export function Preview() {
  const [kind, setKind] = useState<Kind>('cron');
  const [asked, setAsked] = useState<Asked>();
  const preview = useAnswer('/api/v1/schedule-preview', asked === undefined ? {} : { query: asked }, {
    when: asked !== undefined,
  });
  const wrong = preview.error instanceof Refused && preview.error.status === 400 ? preview.error : undefined;

  function look(event: FormEvent<HTMLFormElement>): void {
    event.preventDefault();
    const typed = Object.fromEntries(
      [...new FormData(event.currentTarget)].map(([name, value]) => [name, String(value)]),
    );
    setAsked({
      [kind]: typed['expression'],
      zone: typed['zone'] || 'UTC',
      load: (typed['load'] ?? 'io') as 'io',
      count: 8,
    });
  }

  return (
    <Section title="Try an expression">
      <Card>
        <Row>
          <form onSubmit={look} className="grow">
            <Group align="flex-start" gap="sm">
              <NativeSelect
                name="kind"
                label="Kind"
                data={[...KINDS]}
                value={kind}
                onChange={(event) => setKind(event.currentTarget.value as Kind)}
              />
              <TextInput
                name="expression"
                label="Expression"
                required
                maxLength={500}
                placeholder={EXAMPLES[kind]}
                autoCapitalize="none"
                spellCheck={false}
                error={wrong && (wrong.problems[0]?.message ?? wordsOf(wrong))}
              />
              <TextInput name="zone" label="Time zone" defaultValue={HERE} maxLength={100} spellCheck={false} />
              <NativeSelect
                name="load"
                label="It works"
                data={[
                  { value: 'io', label: 'the disk' },
                  { value: 'cpu', label: 'the processor' },
                  { value: 'light', label: 'neither much' },
                ]}
              />
              <Button type="submit" mt={24} loading={preview.isFetching}>
                Preview
              </Button>
            </Group>
          </form>
        </Row>
        {asked !== undefined && !wrong && (
          <Row>
            <div className="grow" role="status">
              <Answered answer={preview}>
                {({ normal, next, remarks, collisions }) => (
                  <>
                    {normal !== undefined && <Text size="sm">Normal form: {normal}</Text>}
                    <Text fw={550}>It comes</Text>
                    <ol>
                      {next.map(({ utc, local }) => (
                        <li key={utc}>
                          <time dateTime={utc}>{local}</time>
                        </li>
                      ))}
                    </ol>
                    {next.length === 0 && <Text>Never again.</Text>}
                    {remarks.map((remark) => (
                      <Text size="sm" key={remark}>
                        {remark}
                      </Text>
                    ))}
                    <Text fw={550} mt="xs">
                      {collisions.length === 0 ? 'It meets nothing heavy within a year.' : 'It meets within a year'}
                    </Text>
                    <ul>
                      {collisions.slice(0, 8).map(({ with: other, times, longestMs, measured }) => (
                        <li key={other}>
                          {other}: {times} times, for {lengthOf(longestMs)} at most
                          {!measured && ' (five minutes are assumed: it has not run yet)'}
                        </li>
                      ))}
                    </ul>
                  </>
                )}
              </Answered>
            </div>
          </Row>
        )}
      </Card>
    </Section>
  );
}
