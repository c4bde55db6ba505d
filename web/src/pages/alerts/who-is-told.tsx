import { Autocomplete, Button, Group, NativeSelect, Text, TextInput } from '@mantine/core';
import { type FormEvent, useState } from 'react';
import type { Answer, Asking } from '../../api/client.ts';
import { useAnswer } from '../../api/use-answer.ts';
import { Answered } from '../../parts/answered.tsx';
import { Card, Row, Section } from '../../parts/card.tsx';
import { State } from '../../parts/state.tsx';

type Decided = Answer<'/api/v1/alert-route'>;
type Question = NonNullable<Asking<'/api/v1/alert-route'>['query']>;

const FIRST: Question = { severity: 'critical', symptom: 'service.down' };

/** Tries the routes: who would be told of a problem, and what each route says to it. Nothing is sent. */
export function WhoIsTold() {
  const [asked, setAsked] = useState<Question>(FIRST);
  const services = useAnswer('/api/v1/services').data ?? [];
  const decided = useAnswer('/api/v1/alert-route', { query: asked });

  function ask(event: FormEvent<HTMLFormElement>): void {
    event.preventDefault();
    const typed = new FormData(event.currentTarget);
    const of = (name: string): string => String(typed.get(name) ?? '').trim();
    const [service, severity, symptom, at] = ['service', 'severity', 'symptom', 'at'].map(of);
    setAsked({
      severity: severity === 'info' || severity === 'warning' ? severity : 'critical',
      ...(service && { service }),
      ...(symptom && { symptom }),
      ...(at && { at: new Date(at).toISOString() }),
    });
  }

  return (
    <Section title="Who would be told?">
      <form onSubmit={ask}>
        <Group align="flex-end" gap="sm" mb="md">
          <Autocomplete
            name="service"
            label="Service"
            placeholder="any"
            data={[...new Set(services.map(({ name }) => name))]}
          />
          <NativeSelect name="severity" label="Severity" data={['critical', 'warning', 'info']} />
          <TextInput name="symptom" label="What is wrong" defaultValue={FIRST.symptom} maxLength={200} />
          <TextInput name="at" type="datetime-local" label="When, if not now" />
          <Button type="submit" variant="default" loading={decided.isFetching && decided.isPlaceholderData}>
            Try
          </Button>
        </Group>
      </form>
      <Answered answer={decided}>{(known) => <Decision decided={known} />}</Answered>
    </Section>
  );
}

function Decision({ decided: { told, channels, routes, successes } }: { readonly decided: Decided }) {
  return (
    <>
      <Text mb="sm" role="status">
        {told.length === 0 ? 'Nobody would be told.' : `Told: ${told.join(', ')}.`} Nothing was sent.
      </Text>
      <Text mb="sm">{whenWell(successes)}</Text>
      {channels.length === 0 ? (
        <Text c="dimmed">No channel is configured. steward.yaml names them under alerts.channels.</Text>
      ) : (
        <Said
          label="Channels"
          items={channels.map(({ channel, told: yes, why }) => ({
            name: channel,
            yes,
            word: yes ? 'told' : 'not told',
            why,
          }))}
        />
      )}
      {routes.length > 0 && (
        <Said
          label="Routes, in their order"
          items={routes.map(({ route, fits, why }) => ({
            name: route,
            yes: fits,
            word: fits ? 'fits' : 'does not fit',
            why,
          }))}
        />
      )}
    </>
  );
}

function whenWell({ tell, told, at, why }: Decided['successes']): string {
  const who = told.length === 0 ? 'nobody' : told.join(', ');
  if (tell === 'morning') return `When it goes well: ${why}.`;
  if (tell === 'never') return `When it goes well: nobody is told, ${why}.`;
  if (tell === 'now') return `When it goes well: ${who} at once, ${why}.`;
  return `When it goes well: ${who} in a digest${at === undefined ? '' : ` at ${new Date(at).toLocaleString()}`}, ${why}.`;
}

interface SaidProps {
  readonly label: string;
  readonly items: readonly {
    readonly name: string;
    readonly yes: boolean;
    readonly word: string;
    readonly why: string;
  }[];
}

function Said({ label, items }: SaidProps) {
  return (
    <>
      <Text size="sm" c="dimmed" mt="sm" mb={4}>
        {label}
      </Text>
      <Card>
        {items.map(({ name, yes, word, why }) => (
          <Row key={name}>
            <strong>{name}</strong>
            <State word={word} tone={yes ? 'good' : 'calm'} />
            <Text size="sm" c="dimmed" className="grow">
              {why}
            </Text>
          </Row>
        ))}
      </Card>
    </>
  );
}
