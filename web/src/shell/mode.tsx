import { Alert, Button, Group, TextInput } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import type { ReactNode } from 'react';
import { useAnswer } from '../api/use-answer.ts';
import { Ago } from '../parts/ago.tsx';
import { Ask } from '../parts/ask.tsx';
import { useCommand } from '../parts/use-command.ts';
import { useSession } from '../session/session.tsx';

const WORDS = {
  stopped: 'Steward is stopped: nothing that changes begins, what ran was canceled. Watching goes on.',
  'observe-only': 'Steward only observes: it plans, and applies nothing.',
};

/** Says so wherever Steward does not act as usual. */
export function ModeBanner() {
  const { may } = useSession();
  const mode = useAnswer('/api/v1/mode').data;
  const [opened, { open, close }] = useDisclosure();
  const setMode = useCommand('/api/v1/set-mode', { quiet: true });
  if (!mode || mode.mode === 'normal') return undefined;
  return (
    <Alert color={mode.mode === 'stopped' ? 'red' : 'yellow'} role="alert" mb="lg" title={WORDS[mode.mode]}>
      <Group justify="space-between">
        <span>
          {mode.by !== undefined && `By ${mode.by}`}
          {mode.since !== undefined && (
            <>
              {' '}
              <Ago at={mode.since} />
            </>
          )}
          {mode.reason !== undefined && `: ${mode.reason}`}
        </span>
        {may('administer') && (
          <Button size="xs" variant="default" onClick={open}>
            Release…
          </Button>
        )}
      </Group>
      <Ask
        title="Let Steward act again?"
        text="Schedules, healing and approved plans go on."
        button="Release"
        opened={opened}
        close={close}
        submit={({ reason }) => setMode.mutateAsync({ body: { mode: 'normal', ...(reason && { reason }) } })}
      >
        <TextInput name="reason" label="Why" maxLength={500} required />
      </Ask>
    </Alert>
  );
}

/** The kill switch: what asks for it, undefined where it is not this one's or was thrown already, and the window that asks. */
export function useStopEverything(): { readonly ask: (() => void) | undefined; readonly window: ReactNode } {
  const { me, may } = useSession();
  const mode = useAnswer('/api/v1/mode').data;
  const [opened, { open, close }] = useDisclosure();
  const setMode = useCommand('/api/v1/set-mode', { quiet: true });
  const allowed = may('operate') && me.role !== 'agent' && mode?.mode !== 'stopped';
  return {
    ask: allowed ? open : undefined,
    window: (
      <Ask
        title="Stop everything?"
        text="What runs is canceled and taken back as far as it can be; nothing that changes begins until an administrator releases it."
        button="Stop everything"
        danger
        opened={opened}
        close={close}
        submit={({ reason }) => setMode.mutateAsync({ body: { mode: 'stopped', ...(reason && { reason }) } })}
      >
        <TextInput name="reason" label="Why" maxLength={500} required />
      </Ask>
    ),
  };
}
