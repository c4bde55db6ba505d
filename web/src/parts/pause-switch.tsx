import { Button, NativeSelect, TextInput } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { useSession } from '../session/session.tsx';
import { Ask } from './ask.tsx';
import { useCommand } from './use-command.ts';

const LENGTHS = [
  { value: '', label: 'until it is resumed' },
  { value: '1h', label: 'an hour' },
  { value: '8h', label: '8 hours' },
  { value: '1d', label: 'a day' },
  { value: '7d', label: 'a week' },
];

interface PauseSwitchProps {
  /** A workflow or a job of Steward, by its name. */
  readonly component: string;
  readonly paused: boolean;
}

/** Keeps something from starting by itself, or lets it again. */
export function PauseSwitch({ component, paused }: PauseSwitchProps) {
  const { me, may } = useSession();
  const [opened, { open, close }] = useDisclosure();
  const pause = useCommand('/api/v1/pause-schedule', { done: `${component} is paused.`, quiet: true });
  const resume = useCommand('/api/v1/resume-schedule', { done: `${component} starts by itself again.` });
  if (!may('operate') || me.role === 'agent') return undefined;
  if (paused)
    return (
      <Button
        size="compact-sm"
        variant="default"
        aria-label={`Resume ${component}`}
        loading={resume.isPending}
        onClick={() => resume.mutate({ body: { component } })}
      >
        Resume
      </Button>
    );
  return (
    <>
      <Button size="compact-sm" variant="default" aria-label={`Pause ${component}`} onClick={open}>
        Pause…
      </Button>
      <Ask
        title={`Pause ${component}?`}
        text="It does not start by itself any more, by schedule or event. What runs goes on."
        button="Pause"
        opened={opened}
        close={close}
        submit={({ reason, for: length }) =>
          pause.mutateAsync({ body: { component, ...(reason && { reason }), ...(length && { for: length }) } })
        }
      >
        <TextInput name="reason" label="Why" required maxLength={500} />
        <NativeSelect name="for" label="How long" data={LENGTHS} />
      </Ask>
    </>
  );
}
