import { Button, Checkbox, Group, NativeSelect, Switch, TagsInput, TextInput } from '@mantine/core';
import { useDebouncedValue, useDisclosure } from '@mantine/hooks';
import { notifications } from '@mantine/notifications';
import { useState } from 'react';
import { useAnswer } from '../../api/use-answer.ts';
import { Ask, type Fields } from '../../parts/ask.tsx';
import { LONG_LENGTHS } from '../../parts/lengths-of-time.ts';
import { useCommand } from '../../parts/use-command.ts';
import { useSession } from '../../session/session.tsx';
import { WouldBeQuiet } from './would-be-quiet.tsx';

const SEVERITIES = ['info', 'warning', 'critical'] as const;
type Severity = (typeof SEVERITIES)[number];

const isSeverity = (text: string): text is Severity => SEVERITIES.some((severity) => severity === text);

/** Says what nobody is told of for a while. It can be ended at any time, so it is applied at once. */
export function AddSilence() {
  const { me, may } = useSession();
  const [opened, { open, close }] = useDisclosure();
  const [everything, setEverything] = useState(false);
  const [services, setServices] = useState<string[]>([]);
  const [symptoms, setSymptoms] = useState<string[]>([]);
  const [labels, setLabels] = useState<string[]>([]);
  const [severities, setSeverities] = useState<string[]>([]);
  const known = useAnswer('/api/v1/services', {}, { when: opened }).data ?? [];
  const match = everything ? { everything } : { services, symptoms, labels, severities: severities.filter(isSeverity) };
  // What is typed last is taken as the button is pressed: nothing may move under the pointer then.
  const [settled] = useDebouncedValue(JSON.stringify(match), 500);
  const create = useCommand('/api/v1/create-silence', { quiet: true });
  if (!may('operate') || me.role === 'agent') return undefined;

  async function add({ reason = '', for: length = '1h', from }: Fields): Promise<void> {
    const { quiet, incidents } = await create.mutateAsync({
      body: {
        reason,
        for: length,
        ...(from !== undefined && { from: new Date(from).toISOString() }),
        ...match,
      },
    });
    const open = incidents.length === 0 ? '' : ` Open of it: ${incidents.length}.`;
    notifications.show({
      message: `Nobody is told of ${quiet}.${open}`,
      color: 'steward',
      closeButtonProps: { 'aria-label': 'Close' },
    });
    setServices([]);
    setSymptoms([]);
    setLabels([]);
    setSeverities([]);
    setEverything(false);
  }

  return (
    <>
      <Button onClick={open}>Silence…</Button>
      <Ask
        title="Tell nobody of this for a while"
        text="Incidents are opened, shown and healed as ever. What is still open at the end is told then."
        button="Silence"
        opened={opened}
        close={close}
        submit={add}
      >
        <Switch
          label="All alerts"
          checked={everything}
          onChange={(event) => setEverything(event.currentTarget.checked)}
        />
        {!everything && (
          <>
            <TagsInput
              label="Services"
              description="One of these; * stands for any characters."
              value={services}
              onChange={setServices}
              data={[...new Set(known.map(({ name }) => name))]}
              acceptValueOnBlur
            />
            <TagsInput
              label="What is wrong"
              description="One of these, as in service.down or disk.*"
              value={symptoms}
              onChange={setSymptoms}
              acceptValueOnBlur
            />
            <Checkbox.Group label="Severity" value={severities} onChange={setSeverities}>
              <Group mt={4}>
                {SEVERITIES.map((severity) => (
                  <Checkbox key={severity} value={severity} label={severity} />
                ))}
              </Group>
            </Checkbox.Group>
            <TagsInput
              label="Labels"
              description="All of these, as key=value."
              value={labels}
              onChange={setLabels}
              acceptValueOnBlur
            />
          </>
        )}
        {opened && <WouldBeQuiet asked={JSON.parse(settled) as typeof match} />}
        <TextInput name="reason" label="Why" description="Shown on each incident." required maxLength={500} />
        <NativeSelect name="for" label="How long" data={LONG_LENGTHS} defaultValue="1h" />
        <TextInput name="from" type="datetime-local" label="From" description="Now, where it is left empty." />
      </Ask>
    </>
  );
}
